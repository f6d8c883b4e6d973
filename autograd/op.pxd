# Types of `op.py` for the compiler. The methods of a row are C methods here; `_native` overrides them.

cdef class Op:
    cdef readonly str name
    cdef readonly object value, partials, domain, kinks, pack, exact
    cdef readonly str form, note
    cdef readonly int arity
    cdef readonly bint infix
    cdef double call1(self, double x) except? -1e-301
    cdef double call2(self, double a, double b) except? -1e-301
    cdef double slope1(self, double x, double y) except? -1e-301
    cdef double slope2a(self, double a, double b, double y) except? -1e-301
    cdef double slope2b(self, double a, double b, double y) except? -1e-301

cdef object _node_type, _made_by
