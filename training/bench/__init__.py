"""How fast this program is beside others, and what the speed costs in accuracy: what ``ambiseg bench`` runs.

One module for each question (`sampling`, `training_step`, `loading`, `scoring`), all measured in one way (`rounds`) and
told in one form (`outcome`, `table`); ``docs/adr/021-how-speed-is-measured.md`` says why so.
"""
