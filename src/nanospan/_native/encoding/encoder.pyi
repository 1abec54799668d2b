# No Python function: other native modules use it through encoder.pxd.
