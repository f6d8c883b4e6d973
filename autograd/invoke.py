"""Calls of native code from Python without detours: two functions of the interpreter itself, in LLVM's language.

A call through `ctypes` takes some microseconds, more than many a program. These functions read their arguments by the
interpreter's stable interface, as an extension written in C would.

`batch(run, start, stop, room, shared, sums, *arrays)` calls a kernel on rows of arrays [N, k] (or [k], for one row),
without the interpreter's lock.

`point(run, get, x, n, size)` and `point(run, get, x, n, size, slopes)` call a kernel of one lane at one point: a list,
a tuple or an array of n numbers. They return its first result, or None if x is not of that kind or the guards do not
hold there. The workspace, of size numbers, is on the stack. `get` tells how to read the numbers; see `GET`.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from autograd import machine

# Where things are in a Py_buffer: its address, size of an element, number of dimensions, strides.
_BUFFER = "[80 x i8]"
_ITEMSIZE, _NDIM, _SHAPE, _STRIDES = 24, 36, 48, 56
_WITH_STRIDES, _FASTCALL = 0x18, 0x80

_TEXT = f"""
declare i64 @PyLong_AsLongLong(ptr)
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare void @PyBuffer_Release(ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyErr_Occurred()
declare void @PyErr_Clear()
@_Py_NoneStruct = external global i8

define internal i64 @number(ptr %args, i64 %i) {{
  %at = getelementptr ptr, ptr %args, i64 %i
  %object = load ptr, ptr %at
  %n = call i64 @PyLong_AsLongLong(ptr %object)
  ret i64 %n
}}

define internal ptr @none() {{
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}}

define internal void @release(ptr %buffers, i64 %count) {{
entry:
  %any = icmp sgt i64 %count, 0
  br i1 %any, label %loop, label %end
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %buffer = getelementptr {_BUFFER}, ptr %buffers, i64 %i
  call void @PyBuffer_Release(ptr %buffer)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %end
end:
  ret void
}}

; Writes address, stride by row and stride by column of an array, from a row on; the strides in elements.
define internal void @describe(ptr %buffer, ptr %to, i64 %start) {{
entry:
  %base = load i64, ptr %buffer
  %sizeat = getelementptr i8, ptr %buffer, i64 {_ITEMSIZE}
  %size = load i64, ptr %sizeat
  %ndimat = getelementptr i8, ptr %buffer, i64 {_NDIM}
  %ndim = load i32, ptr %ndimat
  %stridesat = getelementptr i8, ptr %buffer, i64 {_STRIDES}
  %strides = load ptr, ptr %stridesat
  %to1 = getelementptr i64, ptr %to, i64 1
  %to2 = getelementptr i64, ptr %to, i64 2
  %first = load i64, ptr %strides
  %flat = icmp slt i32 %ndim, 2
  br i1 %flat, label %one, label %two
one:
  %step = sdiv exact i64 %first, %size
  store i64 %base, ptr %to
  store i64 0, ptr %to1
  store i64 %step, ptr %to2
  ret void
two:
  %secondat = getelementptr i64, ptr %strides, i64 1
  %second = load i64, ptr %secondat
  %skip = mul i64 %start, %first
  %from = add i64 %base, %skip
  %byrow = sdiv exact i64 %first, %size
  %bycolumn = sdiv exact i64 %second, %size
  store i64 %from, ptr %to
  store i64 %byrow, ptr %to1
  store i64 %bycolumn, ptr %to2
  ret void
}}

define ptr @batch(ptr %self, ptr %args, i64 %nargs) {{
entry:
  %address = call i64 @number(ptr %args, i64 0)
  %run = inttoptr i64 %address to ptr
  %start = call i64 @number(ptr %args, i64 1)
  %stop = call i64 @number(ptr %args, i64 2)
  %n = sub i64 %stop, %start
  %count = sub i64 %nargs, 3
  %buffers = alloca {_BUFFER}, i64 %count
  %space = mul i64 %count, 3
  %numbers = alloca i64, i64 %space
  store i64 %n, ptr %numbers
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %round ]
  %buffer = getelementptr {_BUFFER}, ptr %buffers, i64 %i
  %arg = add i64 %i, 3
  %at = getelementptr ptr, ptr %args, i64 %arg
  %object = load ptr, ptr %at
  %failed = call i32 @PyObject_GetBuffer(ptr %object, ptr %buffer, i32 {_WITH_STRIDES})
  %wrong = icmp ne i32 %failed, 0
  br i1 %wrong, label %error, label %got
got:
  %flat = icmp slt i64 %i, 3
  br i1 %flat, label %plain, label %array
plain:
  %base = load i64, ptr %buffer
  %slot = add i64 %i, 1
  %place = getelementptr i64, ptr %numbers, i64 %slot
  store i64 %base, ptr %place
  br label %round
array:
  %k = sub i64 %i, 3
  %k3 = mul i64 %k, 3
  %after = add i64 %k3, 4
  %to = getelementptr i64, ptr %numbers, i64 %after
  call void @describe(ptr %buffer, ptr %to, i64 %start)
  br label %round
round:
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %go
go:
  %state = call ptr @PyEval_SaveThread()
  call void %run(ptr %numbers)
  call void @PyEval_RestoreThread(ptr %state)
  call void @release(ptr %buffers, i64 %count)
  %result = call ptr @none()
  ret ptr %result
error:
  call void @release(ptr %buffers, i64 %i)
  ret ptr null
}}

define ptr @point(ptr %self, ptr %args, i64 %nargs) {{
entry:
  %address = call i64 @number(ptr %args, i64 0)
  %run = inttoptr i64 %address to ptr
  %getter = call i64 @number(ptr %args, i64 1)
  %get = inttoptr i64 %getter to ptr
  %xat = getelementptr ptr, ptr %args, i64 2
  %x = load ptr, ptr %xat
  %n = call i64 @number(ptr %args, i64 3)
  %size = call i64 @number(ptr %args, i64 4)
  %room = alloca double, i64 %size
  %point = alloca double, i64 %n
  %value = alloca double
  %held = alloca double
  store double 1.0, ptr %held
  %numbers = alloca i64, i64 16
  %buffer = alloca {_BUFFER}
  %target = alloca {_BUFFER}
  store i64 1, ptr %numbers
  %w = getelementptr i64, ptr %numbers, i64 1
  store ptr %room, ptr %w
  %to = getelementptr i64, ptr %numbers, i64 4
  %to1 = getelementptr i64, ptr %numbers, i64 5
  %to2 = getelementptr i64, ptr %numbers, i64 6
  store ptr %point, ptr %to
  store i64 1, ptr %to1
  store i64 1, ptr %to2
  %listed = icmp ne i64 %getter, 0
  br i1 %listed, label %list, label %array
list:
  %i = phi i64 [ 0, %entry ], [ %next, %converted ]
  %item = call ptr %get(ptr %x, i64 %i)
  %missing = icmp eq ptr %item, null
  br i1 %missing, label %clear, label %convert
convert:
  %d = call double @PyFloat_AsDouble(ptr %item)
  %place = getelementptr double, ptr %point, i64 %i
  store double %d, ptr %place
  %suspicious = fcmp oeq double %d, -1.0
  br i1 %suspicious, label %check, label %converted
check:
  %error = call ptr @PyErr_Occurred()
  %bad = icmp ne ptr %error, null
  br i1 %bad, label %clear, label %converted
converted:
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %list, label %ready
array:
  %failed = call i32 @PyObject_GetBuffer(ptr %x, ptr %buffer, i32 {_WITH_STRIDES})
  %wrong = icmp ne i32 %failed, 0
  br i1 %wrong, label %clear, label %described
described:
  call void @describe(ptr %buffer, ptr %to, i64 0)
  br label %ready
ready:
  %y0 = getelementptr i64, ptr %numbers, i64 7
  store ptr %value, ptr %y0
  %y0s = getelementptr i64, ptr %numbers, i64 8
  store i64 1, ptr %y0s
  %y0k = getelementptr i64, ptr %numbers, i64 9
  store i64 1, ptr %y0k
  %last = getelementptr i64, ptr %numbers, i64 10
  %single = icmp eq i64 %nargs, 5
  br i1 %single, label %prepared, label %gradient
gradient:
  %gat = getelementptr ptr, ptr %args, i64 5
  %g = load ptr, ptr %gat
  %failedg = call i32 @PyObject_GetBuffer(ptr %g, ptr %target, i32 {_WITH_STRIDES})
  %wrongg = icmp ne i32 %failedg, 0
  br i1 %wrongg, label %drop, label %targeted
targeted:
  call void @describe(ptr %target, ptr %last, i64 0)
  %last3 = getelementptr i64, ptr %numbers, i64 13
  br label %prepared
prepared:
  %h0 = phi ptr [ %last, %ready ], [ %last3, %targeted ]
  %h1 = getelementptr i64, ptr %h0, i64 1
  %h2 = getelementptr i64, ptr %h0, i64 2
  store ptr %held, ptr %h0
  store i64 1, ptr %h1
  store i64 1, ptr %h2
  call void %run(ptr %numbers)
  br i1 %single, label %free, label %freetarget
freetarget:
  call void @PyBuffer_Release(ptr %target)
  br label %free
free:
  br i1 %listed, label %finish, label %freex
freex:
  call void @PyBuffer_Release(ptr %buffer)
  br label %finish
finish:
  %belongs = load double, ptr %held
  %elsewhere = fcmp oeq double %belongs, 0.0
  br i1 %elsewhere, label %nothing, label %answer
answer:
  %y = load double, ptr %value
  %result = call ptr @PyFloat_FromDouble(double %y)
  ret ptr %result
drop:
  br i1 %listed, label %clear, label %dropx
dropx:
  call void @PyBuffer_Release(ptr %buffer)
  br label %clear
clear:
  call void @PyErr_Clear()
  br label %nothing
nothing:
  %none = call ptr @none()
  ret ptr %none
}}
"""


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


_kept: list[Any] = []  # what the functions stand on


def _function(code: machine.Code, name: str) -> Any:
    method = _Method(name.encode(), code.address(name), _FASTCALL, b"See autograd.invoke.")
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    _kept.extend([code, method])
    return make(ctypes.addressof(method), None, None)


def _address(name: str) -> int:
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


for _name in (line.split("@")[1].split("(")[0] for line in _TEXT.splitlines() if line.startswith("declare")):
    machine.know(_name, _address(_name))
machine.know("_Py_NoneStruct", id(None))

_code = machine.load(lambda: _TEXT, b"invoke " + sys.version.encode() + _TEXT.encode())
batch = _function(_code, "batch")
point = _function(_code, "point")

#: How `point` reads the numbers of a list and of a tuple; 0 reads an array.
GET: dict[type, int] = {list: _address("PyList_GetItem"), tuple: _address("PyTuple_GetItem")}
