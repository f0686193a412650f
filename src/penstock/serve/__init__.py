"""What goes out: endpoints, live pages, the page itself."""
