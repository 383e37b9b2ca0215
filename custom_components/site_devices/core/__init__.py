"""What is true: pure Python without Home Assistant, clock or event loop."""
