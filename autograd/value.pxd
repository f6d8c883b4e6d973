# Types of `value.py` for the compiler; the source itself names no C.
cimport cython
from autograd.op cimport Op

cdef Op ADD, SUB, MUL, DIV, NEG, POW, MOD, FLOORDIV, RELU, TANH, EXP, LOG, CONSTANT
cdef int GRAPH, NO_GRAD, ANOMALY, _watch
cdef bint _constants
cdef long long _clock, _running
cdef int _LEVELS, _level
cdef list _waiting
cdef double ABSENT

cdef class Value:
    cdef double _data, _grad, _adjoint
    cdef Op _row
    cdef object _a, _b, _name
    cdef long long _mark

@cython.locals(v=Value)
cdef Value node(Op op, object a, object b, double data)

@cython.locals(mode=int)
cdef void _special(Value v) except *

@cython.locals(v=Value)
cdef bint _flows(object x) noexcept

cpdef object made_by(Op op, object x)
cpdef object build(Op op, tuple args)
cdef object _where(object c, object a, object b)
cdef object _operand(object x, Op op)
cdef object right(Op op, Value a, object b)
cdef object left(Op op, object a, Value b)

@cython.locals(v=Value)
cdef double _float(object x) except? -1e-301

@cython.locals(v=Value)
cpdef Value constant(object data, object name=*)

cpdef object fix(Value v)

@cython.locals(met="long long", listed="long long", order=list, stack=list, v=Value, n=Value, before=Py_ssize_t)
cdef list _order(Value root)

@cython.locals(first="long long", last="long long", v=Value, op=Op, a=double, b=double, i=Py_ssize_t, e=Py_ssize_t, j=Py_ssize_t, source=list, target=list, depth=list)
cpdef tuple links(list order)

@cython.locals(v=Value, op=Op, y=double)
cpdef bint outdated(list order)

cdef void _link(Value x, Py_ssize_t i, double p, long long first, long long last, list source, list target, list factors) except *

cdef int _meet(Value v, long long met, list stack, list order) except -1

@cython.locals(v=Value, m=Value, n=Value, op=Op, g=double, p=double, a=double, b=double, mode=int)
cdef void _pull(list order, double seed) except *

@cython.locals(v=Value, outer="long long")
cdef void _sweep(list order, double seed) except *

@cython.locals(v=Value)
cdef void _accumulate(object x, double g) noexcept

@cython.locals(v=Value)
cdef void _commit(list order) except *

@cython.locals(v=Value)
cdef list _adjoints(object xs)

@cython.locals(v=Value)
cpdef object float_adjoints(Value root, object xs)

cdef void _copy(Value twin, Value v, object operands) except *
cdef void _fill(Value v, Op op, double data, double grad, object name, object operands) except *
