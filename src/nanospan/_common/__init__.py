"""What every room uses: checks of arguments, logging once per window, the main interpreter."""
