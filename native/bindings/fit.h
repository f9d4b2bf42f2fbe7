// What a session is fitted to, and runs on arrays that are just so.
#pragma once

#include <nanobind/nanobind.h>

#include <array>
#include <vector>

#include "bindings/arrays.h"
#include "octavo.h"

namespace octavo {

// Inputs, or outputs; a model that has more goes the long way.
inline constexpr std::size_t kMostArrays = 8;

// The tensors of a session, as they are between two fits; the number of fits before.
struct Tensors {
  std::vector<octavo_tensor> inputs, outputs;
  unsigned long number;
};

inline Tensors tensors_of(const octavo_session* session, unsigned long number) {
  Tensors found{{}, {}, number};
  octavo_tensor tensor;
  while (octavo_session_input_info(session, found.inputs.size(), &tensor) == OCTAVO_OK) found.inputs.push_back(tensor);
  while (octavo_session_output_info(session, found.outputs.size(), &tensor) == OCTAVO_OK) {
    found.outputs.push_back(tensor);
  }
  return found;
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
  bool is_small() const { return inputs() <= kMostArrays && outputs() <= kMostArrays; }
  const nb::str& input_name(std::size_t i) const { return input_names_[i]; }
  const nb::str& output_name(std::size_t i) const { return output_names_[i]; }

  // Whether the object is just what input i takes: its memory, then.
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
  std::vector<Maker> outputs_;
  std::vector<nb::str> input_names_, output_names_;
};

// One run: arrays for its inputs are found, those for its outputs made.
class Quick {
 public:
  // input(i) is a borrowed object, or null. False if it takes the long way, with its conversions and its messages.
  template <class Input>
  bool prepare(const Fit& fit, const Input& input) {
    for (std::size_t i = 0; i < fit.inputs(); ++i) {
      PyObject* object = input(i);
      if (object == nullptr || !fit.take(i, object, memory_[i])) return false;
      from_[i] = {memory_[i]->buf, static_cast<std::size_t>(memory_[i]->len)};
    }
    for (std::size_t i = 0; i < fit.outputs(); ++i) {
      results_[i] = fit.make(i);
      if (!made_[i].take(results_[i].ptr(), PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) return false;
      to_[i] = {made_[i]->buf, static_cast<std::size_t>(made_[i]->len)};
    }
    return true;
  }

  bool run(octavo_session* session) const {
    const nb::gil_scoped_release others;
    return octavo_session_run(session, from_.data(), to_.data(), nullptr) == OCTAVO_OK;
  }

  const nb::object& result(std::size_t i) const { return results_[i]; }

 private:
  std::array<Memory, kMostArrays> memory_, made_;
  std::array<octavo_input, kMostArrays> from_;
  std::array<octavo_output, kMostArrays> to_;
  std::array<nb::object, kMostArrays> results_;
};

}  // namespace octavo
