// The C ABI. Nothing is thrown across it.
#include <cstdio>
#include <new>
#include <string>

#include "kernels/dispatch.h"
#include "octavo.h"
#include "runtime/file.h"
#include "runtime/loader.h"
#include "runtime/session.h"

struct octavo_session {
  octavo_session(const octavo::Model& model, const octavo::Kernels& kernels) : session(model, kernels) {}
  octavo::Session session;
};

struct octavo_model {
  octavo::MappedFile file;
  octavo::Model model;
  const octavo::Kernels* kernels = nullptr;
  octavo_session* own = nullptr;

  ~octavo_model() { delete own; }
};

namespace octavo {
namespace {

octavo_status report(octavo_error* error, octavo_status code, const char* message) {
  if (error == nullptr) return code;
  error->code = code;
  std::snprintf(error->message, sizeof(error->message), "%s", message);
  return code;
}

octavo_status done(octavo_error* error) { return report(error, OCTAVO_OK, ""); }

// What `work` gives; and a status for what it throws.
template <class Work>
octavo_status guarded(octavo_error* error, const Work& work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return report(error, OCTAVO_MEMORY, "there is not enough memory");
  } catch (...) {
    return report(error, OCTAVO_MEMORY, "the system refused a resource");
  }
}

// Reads the bundle into the model, which `model` then owns.
octavo_status finish_opening(std::unique_ptr<octavo_model> made, std::span<const std::byte> bytes, octavo_model** model,
                             octavo_error* error) {
  std::string fault;
  made->kernels = chosen(fault);
  if (made->kernels == nullptr) return report(error, OCTAVO_ARGUMENT, fault.c_str());
  if (!read_bundle(bytes, *made->kernels, made->model, fault)) return report(error, OCTAVO_BUNDLE, fault.c_str());
  made->own = new octavo_session(made->model, *made->kernels);
  *model = made.release();
  return done(error);
}

octavo_status describe(const Model& model, const std::vector<std::uint32_t>& slots, std::size_t index,
                       octavo_tensor* info) {
  if (index >= slots.size() || info == nullptr) return OCTAVO_ARGUMENT;
  const Tensor& tensor = model.tensors[slots[index]];
  *info = {};
  info->name = tensor.name;
  info->dtype = static_cast<octavo_dtype>(tensor.dtype);
  info->rank = static_cast<std::uint32_t>(tensor.rank);
  for (int i = 0; i < tensor.rank; ++i) info->shape[i] = tensor.dims[i];
  info->size = tensor.bytes;
  return OCTAVO_OK;
}

// Takes the pointers over if every tensor has its memory; else names the first that has not.
template <class Buffer, class Pointer>
octavo_status take(const Model& model, const std::vector<std::uint32_t>& slots, const Buffer* given, Pointer* taken,
                   octavo_error* error) {
  if (given == nullptr && !slots.empty()) return report(error, OCTAVO_ARGUMENT, "inputs or outputs are null");
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Tensor& tensor = model.tensors[slots[i]];
    if (given[i].data == nullptr || given[i].size != tensor.bytes) {
      char message[sizeof(octavo_error::message)];
      std::snprintf(message, sizeof(message), "'%.100s' takes %zu bytes and was given %zu%s", tensor.name, tensor.bytes,
                    given[i].size, given[i].data == nullptr ? " at null" : "");
      return report(error, OCTAVO_ARGUMENT, message);
    }
    if (reinterpret_cast<std::uintptr_t>(given[i].data) % tensor.element_bytes() != 0) {
      return report(error, OCTAVO_ARGUMENT, "an input or output is not aligned for its type");
    }
    taken[i] = given[i].data;
  }
  return OCTAVO_OK;
}

}  // namespace
}  // namespace octavo

using namespace octavo;

octavo_status octavo_open(const char* path, octavo_model** model, octavo_error* error) {
  return guarded(error, [&] {
    if (path == nullptr || model == nullptr) return report(error, OCTAVO_ARGUMENT, "path or model is null");
    *model = nullptr;
    auto made = std::make_unique<octavo_model>();
    std::string fault;
    if (!made->file.open(path, fault)) return report(error, OCTAVO_FILE, fault.c_str());
    const auto bytes = made->file.bytes();
    return finish_opening(std::move(made), bytes, model, error);
  });
}

octavo_status octavo_open_memory(const void* data, size_t size, octavo_model** model, octavo_error* error) {
  return guarded(error, [&] {
    if (data == nullptr || model == nullptr) return report(error, OCTAVO_ARGUMENT, "data or model is null");
    *model = nullptr;
    if (reinterpret_cast<std::uintptr_t>(data) % kAlignment != 0) {
      return report(error, OCTAVO_ARGUMENT, "the bundle in memory is not aligned to 64 bytes");
    }
    const std::span bytes(static_cast<const std::byte*>(data), size);
    return finish_opening(std::make_unique<octavo_model>(), bytes, model, error);
  });
}

void octavo_close(octavo_model* model) { delete model; }

size_t octavo_input_count(const octavo_model* model) { return model->model.inputs.size(); }
size_t octavo_output_count(const octavo_model* model) { return model->model.outputs.size(); }

octavo_status octavo_input_info(const octavo_model* model, size_t index, octavo_tensor* info) {
  return describe(model->model, model->model.inputs, index, info);
}

octavo_status octavo_output_info(const octavo_model* model, size_t index, octavo_tensor* info) {
  return describe(model->model, model->model.outputs, index, info);
}

size_t octavo_session_bytes(const octavo_model* model) { return Session::bytes(model->model); }

octavo_status octavo_run(octavo_model* model, const octavo_input* inputs, const octavo_output* outputs,
                         octavo_error* error) {
  return octavo_session_run(model->own, inputs, outputs, error);
}

octavo_status octavo_session_open(const octavo_model* model, octavo_session** session, octavo_error* error) {
  return guarded(error, [&] {
    *session = nullptr;
    *session = new octavo_session(model->model, *model->kernels);
    return done(error);
  });
}

octavo_status octavo_session_run(octavo_session* session, const octavo_input* inputs, const octavo_output* outputs,
                                 octavo_error* error) {
  Session& own = session->session;
  const Model& model = own.model();
  octavo_status status = take(model, model.inputs, inputs, own.inputs(), error);
  if (status != OCTAVO_OK) return status;
  status = take(model, model.outputs, outputs, own.outputs(), error);
  if (status != OCTAVO_OK) return status;
  own.run(own.inputs(), own.outputs());
  return done(error);
}

void octavo_session_close(octavo_session* session) { delete session; }
