"""What somebody at a browser sees and does, in a whole Home Assistant with its pages."""
