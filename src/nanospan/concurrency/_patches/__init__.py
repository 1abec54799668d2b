"""What `instrument_threads` replaces in the standard library and in gevent."""
