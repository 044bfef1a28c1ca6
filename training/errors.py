"""The errors that this program raises on purpose.

::

    AmbisegError
    ├── DataFormatError    a data file is not what it should be
    ├── ConfigError        a setting, name or argument is not possible
    ├── CheckpointError    a model or checkpoint cannot be read or resumed
    └── DeviceError        a device is not there or has too little memory, or a process of ours cannot start or is lost
        └── DeviceLostError    a device gave up: no further call to it can succeed in this process

Each message is one line that says what is wrong, which value, and what would
work.  The command line prints it and exits with 2; the viewer shows it as a
notification.  Anything else that is raised is a bug of ours.
"""


class AmbisegError(Exception):
    """Base of all errors meant for the user's eyes."""


class DataFormatError(AmbisegError):
    """A data file or array has another layout, shape, type or range than it should."""


class ConfigError(AmbisegError):
    """A name, setting or combination of settings that cannot work."""


class CheckpointError(AmbisegError):
    """A model file or checkpoint that is missing, damaged or of another network."""


class DeviceError(AmbisegError):
    """A device that is not there or has too little memory, or a process of ours that cannot be started or is lost."""


class DeviceLostError(DeviceError):
    """A device that gave up: every later call to it in this process fails too, or never returns."""
