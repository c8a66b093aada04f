"""With other packages, where they are installed: `pip install "deltawire[test-integrations]"`."""
