// The input and output shapes of a session, and a fast path for arrays that match them exactly.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <vector>

#include "bindings/arrays.h"
#include "octavo.h"

namespace octavo {

// Maximum number of inputs, and of outputs, on the fast path.
inline constexpr std::size_t kMaxArrays = 8;

// The tensors of a session at its current shapes; `number` counts the resizes before.
struct Tensors {
  std::vector<octavo_tensor> inputs, outputs;
  unsigned long number;
};

inline Tensors tensors_of(const octavo_session* session, unsigned long number) {
  Tensors tensors{{}, {}, number};
  octavo_tensor tensor;
  while (octavo_session_input_info(session, tensors.inputs.size(), &tensor) == OCTAVO_OK)
    tensors.inputs.push_back(tensor);
  while (octavo_session_output_info(session, tensors.outputs.size(), &tensor) == OCTAVO_OK) {
    tensors.outputs.push_back(tensor);
  }
  return tensors;
}

class Fit {
 public:
  explicit Fit(const Tensors& tensors)
      : number_(tensors.number), inputs_(tensors.inputs), array_(nb::module_::import_("numpy").attr("ndarray")) {
    for (const octavo_tensor& tensor : tensors.inputs) input_names_.push_back(nb::str(tensor.name));
    for (const octavo_tensor& tensor : tensors.outputs) {
      outputs_.emplace_back(tensor);
      output_names_.push_back(nb::str(tensor.name));
    }
  }

  unsigned long number() const { return number_; }
  std::size_t inputs() const { return inputs_.size(); }
  std::size_t outputs() const { return outputs_.size(); }
  bool is_small() const { return inputs() <= kMaxArrays && outputs() <= kMaxArrays; }
  const nb::str& input_name(std::size_t i) const { return input_names_[i]; }
  const nb::str& output_name(std::size_t i) const { return output_names_[i]; }

  // Whether the object is an array that matches input i exactly; if so, its buffer is in `memory`.
  bool take(std::size_t i, PyObject* object, Memory& memory) const {
    return Py_TYPE(object) == reinterpret_cast<PyTypeObject*>(array_.ptr()) &&
           memory.take(object, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) && is_of(*memory, inputs_[i]);
  }

  // A new array for output i.
  nb::object make(std::size_t i) const { return outputs_[i](); }

 private:
  unsigned long number_;
  std::vector<octavo_tensor> inputs_;
  nb::object array_;
  std::vector<ArrayFactory> outputs_;
  std::vector<nb::str> input_names_, output_names_;
};

// One run on the fast path: borrows the input buffers and allocates the output arrays.
class FastRun {
 public:
  // input(i) is a borrowed reference, or null. False if the caller must use the slow path, which converts arrays and
  // reports errors.
  template <class Input>
  bool prepare(const Fit& fit, const Input& input) {
    for (std::size_t i = 0; i < fit.inputs(); ++i) {
      PyObject* object = input(i);
      if (object == nullptr || !fit.take(i, object, input_memory_[i])) return false;
      from_[i] = {input_memory_[i]->buf, static_cast<std::size_t>(input_memory_[i]->len)};
    }
    for (std::size_t i = 0; i < fit.outputs(); ++i) {
      results_[i] = fit.make(i);
      if (!result_memory_[i].take(results_[i].ptr(), PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) return false;
      to_[i] = {result_memory_[i]->buf, static_cast<std::size_t>(result_memory_[i]->len)};
    }
    return true;
  }

  bool run(octavo_session* session) const {
    const nb::gil_scoped_release others;
    return octavo_session_run(session, from_.data(), to_.data(), nullptr) == OCTAVO_OK;
  }

  const nb::object& result(std::size_t i) const { return results_[i]; }

 private:
  std::array<Memory, kMaxArrays> input_memory_, result_memory_;
  std::array<octavo_input, kMaxArrays> from_;
  std::array<octavo_output, kMaxArrays> to_;
  std::array<nb::object, kMaxArrays> results_;
};

}  // namespace octavo
