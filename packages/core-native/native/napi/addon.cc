// The binding: one class, Device, over core/device.h, and nothing else that JavaScript could hold. Arguments of the hot calls (allocate, view,
// enqueue) travel in a Float64Array shared at construction, because reading N-API arguments one by one costs more than the calls.
//
// Everything is per environment (worker threads have their own). A cleanup hook closes the devices before the thread-safe function
// that their completions use goes away.
#include <napi.h>

#include <cmath>
#include <memory>
#include <set>
#include <string>

#include "core/backends.h"
#include "core/device.h"
#include "core/op_table.h"

namespace {

class DeviceWrap;

struct AddonData {
  Napi::ThreadSafeFunction deliver;
  Napi::FunctionReference device_constructor;
  std::set<DeviceWrap*> devices;
  int pending = 0;  // completions on their way; the process stays alive for them
};

const char* error_code(nb_status status) {
  switch (status) {
    case NB_ERROR_OUT_OF_MEMORY: return "ERR_OUT_OF_MEMORY";
    case NB_ERROR_INDEX: return "ERR_INDEX_OUT_OF_RANGE";
    case NB_ERROR_UNSUPPORTED: return "ERR_UNSUPPORTED_OP";
    case NB_ERROR_DEVICE: return "ERR_DEVICE";
    default: return "ERR_INTERNAL";
  }
}

Napi::Error make_error(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

[[noreturn]] void fail(Napi::Env env, const std::string& message) {
  throw make_error(env, message.find("out of memory") != std::string::npos ? "ERR_OUT_OF_MEMORY" : "ERR_INVALID_OP", message);
}

class DeviceWrap : public Napi::ObjectWrap<DeviceWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Device",
                       {InstanceMethod<&DeviceWrap::allocate>("allocate"), InstanceMethod<&DeviceWrap::view>("view"),
                        InstanceMethod<&DeviceWrap::free>("free"),
                        InstanceMethod<&DeviceWrap::enqueue>("enqueue"),
                        InstanceMethod<&DeviceWrap::upload>("upload"), InstanceMethod<&DeviceWrap::read_file>("readFile"),
                        InstanceMethod<&DeviceWrap::download>("download"), InstanceMethod<&DeviceWrap::synchronize>("synchronize"),
                        InstanceMethod<&DeviceWrap::handover>("handover"),
                        InstanceMethod<&DeviceWrap::memory>("memory"), InstanceMethod<&DeviceWrap::reset_peak>("resetPeak"),
                        InstanceMethod<&DeviceWrap::info>("info"), InstanceMethod<&DeviceWrap::close>("close")});
  }

  // (backend name or library path, index, threads, command buffer)
  explicit DeviceWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DeviceWrap>(info) {
    Napi::Env env = info.Env();
    if (info.Length() != 4 || !info[0].IsString() || !info[1].IsNumber() || !info[2].IsNumber() || !info[3].IsTypedArray() ||
        info[3].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array ||
        info[3].As<Napi::TypedArray>().ElementLength() < 3 + NB_MAX_TENSORS + NB_MAX_PARAMS)
      fail(env, "Device: expected (backend, index, threads, Float64Array with room for any command)");
    const std::string name = info[0].As<Napi::String>();
    std::string error;
    const nb_backend* backend = nb::find_builtin_backend(name);
    if (backend == nullptr) backend = nb::load_backend(name, &error);
    if (backend == nullptr) throw make_error(env, "ERR_BACKEND", error);
    device_ = nb::Device::open(backend, info[1].As<Napi::Number>().Int32Value(), info[2].As<Napi::Number>().Int32Value(), &error);
    if (device_ == nullptr) throw make_error(env, "ERR_DEVICE", error);
    Napi::Float64Array command = info[3].As<Napi::Float64Array>();
    command_ = command.Data();
    command_length_ = command.ElementLength();
    command_buffer_ = Napi::Persistent(command.ArrayBuffer());
    data(env)->devices.insert(this);
  }

  ~DeviceWrap() override {
    if (addon_ != nullptr) addon_->devices.erase(this);
  }

  void shut() { device_.reset(); }

  void abandon() {
    if (device_ != nullptr) device_->stream().abandon();
  }

  // The environment goes away: finish the queue, and forget the addon's data, which does not outlive it.
  void leave() {
    shut();
    addon_ = nullptr;
  }

  void clear_error() {
    if (device_ != nullptr) device_->stream().enqueue_clear_error();
  }

 private:
  struct Completion {
    Completion(Napi::Env env, DeviceWrap* wrap) : deferred(Napi::Promise::Deferred::New(env)), device(Napi::Persistent(wrap->Value())), wrap(wrap) {}
    Napi::Promise::Deferred deferred;
    Napi::ObjectReference device;  // keeps the wrap alive
    Napi::Reference<Napi::ArrayBuffer> buffer;
    DeviceWrap* wrap;
    nb::Status status;
  };

  AddonData* data(Napi::Env env) {
    if (addon_ == nullptr) addon_ = env.GetInstanceData<AddonData>();
    return addon_;
  }

  nb::Device& open_device(Napi::Env env) {
    if (device_ == nullptr) throw make_error(env, "ERR_DISPOSED", "the device was disposed");
    return *device_;
  }

  // command: dtype, rank, dims
  Napi::Value allocate(const Napi::CallbackInfo& info) {
    int64_t dims[NB_MAX_RANK];
    const int32_t rank = read_dims(info.Env(), 1, dims);
    std::string error;
    const double handle = open_device(info.Env()).allocate(static_cast<int32_t>(command_[0]), dims, rank, &error);
    if (handle == 0) fail(info.Env(), error);
    return Napi::Number::New(info.Env(), handle);
  }

  // command: handle, element offset, rank, dims
  Napi::Value view(const Napi::CallbackInfo& info) {
    int64_t dims[NB_MAX_RANK];
    const int32_t rank = read_dims(info.Env(), 2, dims);
    const double offset = command_[1];
    if (!(offset >= 0 && offset < 9007199254740992.0)) fail(info.Env(), "view: the offset is not a number of elements");
    std::string error;
    const double handle = open_device(info.Env()).view(command_[0], static_cast<int64_t>(offset), dims, rank, &error);
    if (handle == 0) fail(info.Env(), error);
    return Napi::Number::New(info.Env(), handle);
  }

  int32_t read_dims(Napi::Env env, size_t at, int64_t* dims) {
    const double rank = command_[at];
    if (!(rank >= 0 && rank <= NB_MAX_RANK) || rank != std::floor(rank)) fail(env, "a tensor has at most 4 dimensions");
    for (int i = 0; i < static_cast<int>(rank); ++i) {
      const double dim = command_[at + 1 + static_cast<size_t>(i)];
      if (!(dim >= 0 && dim < 9007199254740992.0) || dim != std::floor(dim)) fail(env, "a dimension is not a non-negative integer");
      dims[i] = static_cast<int64_t>(dim);
    }
    return static_cast<int32_t>(rank);
  }

  Napi::Value free(const Napi::CallbackInfo& info) {
    const bool freed = device_ != nullptr && info[0].IsNumber() && device_->free(info[0].As<Napi::Number>().DoubleValue());
    return Napi::Boolean::New(info.Env(), freed);
  }

  Napi::Value enqueue(const Napi::CallbackInfo& info) {
    const std::string problem = open_device(info.Env()).enqueue(command_, command_length_);
    if (!problem.empty()) fail(info.Env(), problem);
    return info.Env().Undefined();
  }

  // (handle, typed array)
  Napi::Value upload(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    if (!info[0].IsNumber() || !info[1].IsTypedArray()) fail(env, "upload: expected (handle, typed array)");
    Napi::TypedArray array = info[1].As<Napi::TypedArray>();
    // Not `array.ArrayBuffer().Data()`: that refuses memory which is shared with other threads.
    void* data = nullptr;
    NAPI_THROW_IF_FAILED(env, napi_get_typedarray_info(env, array, nullptr, nullptr, &data, nullptr, nullptr), env.Undefined());
    const auto* bytes = static_cast<const uint8_t*>(data);
    const size_t length = array.ByteLength();
    std::vector<uint8_t> copy;
    if (length > 0) copy.assign(bytes, bytes + length);
    const std::string problem = open_device(env).upload(info[0].As<Napi::Number>().DoubleValue(), std::move(copy));
    if (!problem.empty()) fail(env, problem);
    return env.Undefined();
  }

  // (handle, file descriptor, byte offset, dtype in the file)
  Napi::Value read_file(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    for (size_t i = 0; i < 4; ++i)
      if (!info[i].IsNumber()) fail(env, "readFile: expected (handle, fd, offset, dtype)");
    const std::string problem = open_device(env).read_file(info[0].As<Napi::Number>().DoubleValue(), info[1].As<Napi::Number>().Int32Value(),
                                                           info[2].As<Napi::Number>().Int64Value(), info[3].As<Napi::Number>().Int32Value());
    if (!problem.empty()) fail(env, problem);
    return env.Undefined();
  }

  // (handle, bytes) → Promise<ArrayBuffer>
  Napi::Value download(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    if (!info[0].IsNumber() || !info[1].IsNumber()) fail(env, "download: expected (handle, bytes)");
    nb::Device& device = open_device(env);
    const size_t bytes = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
    const double handle = info[0].As<Napi::Number>().DoubleValue();
    // Before the buffer is made: V8 ends the process when it cannot make one.
    if (const std::string problem = device.check_download(handle, bytes); !problem.empty()) fail(env, problem);
    auto completion = std::make_unique<Completion>(env, this);
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes);
    completion->buffer = Napi::Persistent(buffer);
    Completion* raw = completion.get();
    AddonData* addon = data(env);
    device.download(handle, buffer.Data(), bytes, deliverer(addon, raw));
    return start(env, completion.release());
  }

  Napi::Value synchronize(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    nb::Device& device = open_device(env);
    auto* completion = new Completion(env, this);
    device.stream().enqueue_completion(deliverer(data(env), completion));
    return start(env, completion);
  }

  Napi::Value handover(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    nb::Device& device = open_device(env);
    auto* completion = new Completion(env, this);
    device.stream().enqueue_handover(deliverer(data(env), completion));
    return start(env, completion);
  }

  Napi::Value start(Napi::Env env, Completion* completion) {
    AddonData* addon = data(env);
    if (addon->pending++ == 0) addon->deliver.Ref(env);
    return completion->deferred.Promise();
  }

  // Called on the stream's thread; settle() then runs on JavaScript's.
  static std::function<void(const nb::Status&)> deliverer(AddonData* addon, Completion* completion) {
    return [addon, completion](const nb::Status& status) {
      completion->status = status;
      addon->deliver.NonBlockingCall(completion, settle);
    };
  }

  static void settle(Napi::Env env, Napi::Function, Completion* raw) {
    if (env == nullptr) return;  // torn down: references cannot be released any more
    std::unique_ptr<Completion> completion(raw);
    AddonData* addon = env.GetInstanceData<AddonData>();
    if (--addon->pending == 0) addon->deliver.Unref(env);
    if (completion->status.ok()) {
      completion->deferred.Resolve(completion->buffer.IsEmpty() ? env.Undefined() : static_cast<Napi::Value>(completion->buffer.Value()));
      return;
    }
    completion->wrap->clear_error();
    completion->deferred.Reject(make_error(env, error_code(completion->status.code), completion->status.message).Value());
  }

  Napi::Value memory(const Napi::CallbackInfo& info) {
    const nb::MemoryStats& stats = open_device(info.Env()).allocator().stats();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("bytesInUse", static_cast<double>(stats.in_use));
    result.Set("bytesReserved", static_cast<double>(stats.reserved));
    result.Set("peakBytesInUse", static_cast<double>(stats.peak_in_use));
    result.Set("allocations", static_cast<double>(stats.allocations));
    result.Set("liveTensors", static_cast<double>(device_->live_tensors()));
    return result;
  }

  Napi::Value reset_peak(const Napi::CallbackInfo& info) {
    open_device(info.Env()).allocator().reset_peak();
    return info.Env().Undefined();
  }

  Napi::Value info(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), open_device(info.Env()).info()); }

  Napi::Value close(const Napi::CallbackInfo& info) {
    shut();
    return info.Env().Undefined();
  }

  std::unique_ptr<nb::Device> device_;
  double* command_ = nullptr;
  size_t command_length_ = 0;
  Napi::Reference<Napi::ArrayBuffer> command_buffer_;
  AddonData* addon_ = nullptr;
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* addon = new AddonData;
  env.SetInstanceData(addon);
  addon->deliver = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "node-bert", 0, 1);
  addon->deliver.Unref(env);
  // Hooks run last in, first out: this one before the thread-safe function's own.
  env.AddCleanupHook(
      [](AddonData* leaving) {
        for (DeviceWrap* device : leaving->devices) device->leave();
      },
      addon);
  exports.Set("Device", DeviceWrap::define(env));
  // Before the process runs the destructors of libraries that a device's thread still uses: exit() runs no cleanup hook.
  exports.Set("abandonDevices", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                for (DeviceWrap* device : info.Env().GetInstanceData<AddonData>()->devices) device->abandon();
              }));
  exports.Set("abiVersion", Napi::Number::New(env, NB_ABI_VERSION));
  Napi::Array names = Napi::Array::New(env);
  for (const std::string& name : nb::builtin_backend_names()) names.Set(names.Length(), Napi::String::New(env, name));
  exports.Set("builtinBackends", names);
  return exports;
}

}  // namespace

NODE_API_MODULE(node_bert_core, init)
