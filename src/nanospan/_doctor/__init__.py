"""The examination behind `nanospan.doctor` and the command ``nanospan doctor``. It needs no package of an extra."""
