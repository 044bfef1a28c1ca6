"""Records to napari's layers and back: the layers' names, colours and metadata keys live only here."""
