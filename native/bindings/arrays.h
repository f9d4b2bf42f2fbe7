// Zero-copy access to contiguous NumPy arrays through the buffer protocol, which takes a tenth of a microsecond per
// array.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <cstring>

#include "octavo.h"

namespace octavo {

namespace nb = nanobind;

// An array's buffer, released on destruction.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { PyBuffer_Release(&buffer_); }

  bool take(PyObject* array, int flags) {
    if (PyObject_GetBuffer(array, &buffer_, flags) == 0) return true;
    PyErr_Clear();
    return false;
  }

  const Py_buffer& operator*() const { return buffer_; }
  const Py_buffer* operator->() const { return &buffer_; }

 private:
  Py_buffer buffer_{};
};

// The buffer format characters that may denote an element type on this platform, and its NumPy name.
struct Element {
  const char* formats;
  const char* name;
};

inline Element element_of(octavo_dtype dtype) {
  switch (dtype) {
    case OCTAVO_U8:
      return {"B", "uint8"};
    case OCTAVO_S8:
      return {"b", "int8"};
    case OCTAVO_S32:
      return {"il", "int32"};
    case OCTAVO_U16:
      return {"H", "uint16"};
    case OCTAVO_S16:
      return {"h", "int16"};
    case OCTAVO_S64:
      return {"lq", "int64"};
    case OCTAVO_BOOL:
      return {"?", "bool"};
    default:
      return {"f", "float32"};
  }
}

// Whether a contiguous array has the type, shape and size of the tensor.
inline bool is_of(const Py_buffer& array, const octavo_tensor& tensor) {
  return array.ndim == static_cast<int>(tensor.rank) && array.len == static_cast<Py_ssize_t>(tensor.size) &&
         array.format[0] != 0 && array.format[1] == 0 &&
         std::strchr(element_of(tensor.dtype).formats, array.format[0]) != nullptr &&
         std::equal(tensor.shape, tensor.shape + tensor.rank, array.shape);
}

// Creates uninitialized arrays of a tensor's type and shape.
class ArrayFactory {
 public:
  explicit ArrayFactory(const octavo_tensor& tensor) {
    const nb::module_ numpy = nb::module_::import_("numpy");
    nb::list shape;
    for (std::uint32_t i = 0; i < tensor.rank; ++i) shape.append(tensor.shape[i]);
    make_ = numpy.attr("empty");
    shape_ = nb::tuple(shape);
    dtype_ = numpy.attr("dtype")(element_of(tensor.dtype).name);
  }

  nb::object operator()() const {
    PyObject* arguments[] = {shape_.ptr(), dtype_.ptr()};
    PyObject* array = PyObject_Vectorcall(make_.ptr(), arguments, 2, nullptr);
    if (array == nullptr) throw nb::python_error();
    return nb::steal(array);
  }

 private:
  nb::object make_, shape_, dtype_;
};

}  // namespace octavo
