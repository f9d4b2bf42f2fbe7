// The C ABI. Nothing is thrown across it.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "kernels/dispatch.h"
#include "octavo.h"
#include "runtime/file.h"
#include "runtime/loader.h"
#include "runtime/session.h"

struct octavo_session {
  octavo_session(const octavo_model& model, std::uint32_t threads);
  octavo::Session session;
};

struct octavo_model {
  octavo::MappedFile file;
  octavo::Model model;
  const octavo::Kernels* kernels = nullptr;
  octavo_session* own = nullptr;

  ~octavo_model() { delete own; }
};

octavo_session::octavo_session(const octavo_model& model, std::uint32_t threads)
    : session(model.model, *model.kernels, threads) {}

namespace octavo {
namespace {

octavo_status report(octavo_error* error, octavo_status code, const char* message) {
  if (error == nullptr) return code;
  error->code = code;
  std::snprintf(error->message, sizeof(error->message), "%s", message);
  return code;
}

octavo_status done(octavo_error* error) { return report(error, OCTAVO_OK, ""); }

// The status of `work`; exceptions become a status.
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
octavo_status finish_opening(std::unique_ptr<octavo_model> opened, std::span<const std::byte> bytes,
                             octavo_model** model, octavo_error* error) {
  std::string fault;
  opened->kernels = chosen(fault);
  if (opened->kernels == nullptr) return report(error, OCTAVO_ARGUMENT, fault.c_str());
  if (!read_bundle(bytes, *opened->kernels, opened->model, fault)) return report(error, OCTAVO_BUNDLE, fault.c_str());
  opened->own = new octavo_session(*opened, 1);
  *model = opened.release();
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

// Reads the options of a program built for an earlier or later version; fields unknown to this version must be zero.
octavo_status read_options(const octavo_session_options* options, octavo_session_options& known, octavo_error* error) {
  if (options == nullptr) return OCTAVO_OK;
  if (options->size < offsetof(octavo_session_options, threads) + sizeof(options->threads)) {
    return report(error, OCTAVO_ARGUMENT, "the size of the session's options is not set");
  }
  const auto* bytes = reinterpret_cast<const char*>(options);
  if (std::any_of(bytes + std::min(options->size, sizeof(known)), bytes + options->size,
                  [](char c) { return c != 0; })) {
    return report(error, OCTAVO_ARGUMENT, "the session's options ask for what this version does not know");
  }
  std::memcpy(&known, options, std::min(options->size, sizeof(known)));
  if (known.threads <= kMaxThreads) return OCTAVO_OK;
  return report(error, OCTAVO_ARGUMENT, "a session has at most 256 threads");
}

octavo_status describe_axis(const Model& model, const std::vector<std::uint32_t>& slots, std::size_t index,
                            std::size_t axis, octavo_axis* info) {
  if (index >= slots.size() || info == nullptr) return OCTAVO_ARGUMENT;
  const Tensor& tensor = model.tensors[slots[index]];
  if (axis >= static_cast<std::size_t>(tensor.rank)) return OCTAVO_ARGUMENT;
  const std::uint32_t number = size_of_axis(model, slots[index], static_cast<int>(axis));
  if (number == kAbsent) {
    *info = {nullptr, tensor.dims[axis], tensor.dims[axis]};
  } else if (number < model.sizes.size()) {
    *info = {model.sizes[number].name, model.sizes[number].least, model.sizes[number].most};
  } else {
    *info = {"", 0, static_cast<std::int64_t>(kMaxBytes)};
  }
  return OCTAVO_OK;
}

// Copies the pointers if every buffer fits its tensor; else reports the first that does not.
template <class Buffer, class Pointer>
octavo_status take(const Model& model, const std::vector<std::uint32_t>& slots, const Buffer* buffers,
                   Pointer* pointers, octavo_error* error) {
  if (buffers == nullptr && !slots.empty()) return report(error, OCTAVO_ARGUMENT, "inputs or outputs are null");
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Tensor& tensor = model.tensors[slots[i]];
    if (buffers[i].data == nullptr || buffers[i].size != tensor.bytes) {
      char message[sizeof(octavo_error::message)];
      std::snprintf(message, sizeof(message), "'%.100s' takes %zu bytes and was given %zu%s", tensor.name, tensor.bytes,
                    buffers[i].size, buffers[i].data == nullptr ? " at null" : "");
      return report(error, OCTAVO_ARGUMENT, message);
    }
    if (reinterpret_cast<std::uintptr_t>(buffers[i].data) % size_of(tensor.dtype) != 0) {
      return report(error, OCTAVO_ARGUMENT, "an input or output is not aligned for its type");
    }
    pointers[i] = buffers[i].data;
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
    auto opened = std::make_unique<octavo_model>();
    std::string fault;
    if (!opened->file.open(path, fault)) return report(error, OCTAVO_FILE, fault.c_str());
    const auto bytes = opened->file.bytes();
    return finish_opening(std::move(opened), bytes, model, error);
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

octavo_status octavo_input_axis(const octavo_model* model, size_t index, size_t axis, octavo_axis* info) {
  return describe_axis(model->model, model->model.inputs, index, axis, info);
}

octavo_status octavo_output_axis(const octavo_model* model, size_t index, size_t axis, octavo_axis* info) {
  return describe_axis(model->model, model->model.outputs, index, axis, info);
}

octavo_status octavo_session_input_info(const octavo_session* session, size_t index, octavo_tensor* info) {
  const Model& model = session->session.model();
  return describe(model, model.inputs, index, info);
}

octavo_status octavo_session_output_info(const octavo_session* session, size_t index, octavo_tensor* info) {
  const Model& model = session->session.model();
  return describe(model, model.outputs, index, info);
}

octavo_status octavo_session_resize(octavo_session* session, const octavo_shape* inputs, octavo_error* error) {
  return guarded(error, [&] {
    if (inputs == nullptr) return report(error, OCTAVO_ARGUMENT, "inputs are null");
    Session& own = session->session;
    for (std::size_t i = 0; i < own.model().inputs.size(); ++i) own.shapes()[i] = {inputs[i].rank, inputs[i].dims};
    std::string fault;
    if (!own.resize(fault)) return report(error, OCTAVO_ARGUMENT, fault.c_str());
    return done(error);
  });
}

size_t octavo_session_bytes(const octavo_model* model) { return Session::bytes(model->model, 1); }

octavo_status octavo_run(octavo_model* model, const octavo_input* inputs, const octavo_output* outputs,
                         octavo_error* error) {
  return octavo_session_run(model->own, inputs, outputs, error);
}

octavo_status octavo_session_open(const octavo_model* model, octavo_session** session, octavo_error* error) {
  return octavo_session_open_with(model, nullptr, session, error);
}

octavo_status octavo_session_open_with(const octavo_model* model, const octavo_session_options* options,
                                       octavo_session** session, octavo_error* error) {
  return guarded(error, [&] {
    *session = nullptr;
    octavo_session_options known{};
    octavo_status status = read_options(options, known, error);
    if (status != OCTAVO_OK) return status;
    *session = new octavo_session(*model, std::max(known.threads, 1u));
    return done(error);
  });
}

size_t octavo_session_memory(const octavo_session* session) { return session->session.bytes(); }

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

octavo_status octavo_session_time(octavo_session* session, int on, octavo_error* error) {
  return guarded(error, [&] {
    session->session.time(on != 0);
    return done(error);
  });
}

size_t octavo_operator_count(const octavo_session* session) { return session->session.model().ops.size(); }

octavo_status octavo_operator_info(const octavo_session* session, size_t index, octavo_operator* info) {
  const Session& own = session->session;
  if (index >= own.model().ops.size() || info == nullptr) return OCTAVO_ARGUMENT;
  const Op& op = own.model().ops[index];
  const View view(own.model(), op);
  const Session::Spent spent = own.spent(index);
  *info = {op.name, op.kind->schema.name.data(), spent.runs, spent.nanoseconds, view.out().bytes, 0};
  for (std::size_t i = 0; i < view.inputs(); ++i) info->bytes += view.in(i).bytes;
  if (op.kind->multiply_adds != nullptr) info->multiply_adds = static_cast<uint64_t>(op.kind->multiply_adds(view));
  return OCTAVO_OK;
}

void octavo_session_close(octavo_session* session) { delete session; }
