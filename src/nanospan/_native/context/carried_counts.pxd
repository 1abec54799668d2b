# Tells a detection, if there is one, of something that it looks for, by its name.
cdef void signal(str name) noexcept
