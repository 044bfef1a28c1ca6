"""The docks: the only part of the plugin that knows Qt.  Each binds widgets to the state and calls the controller."""
