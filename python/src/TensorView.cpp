//===- TensorView.cpp - Where a tensor lies and how -----------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorView.h"
#include "Bindings.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FormatVariadic.h"
#include <algorithm>
#include <memory>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <unordered_map>
#include <vector>

using namespace dgemm;
using namespace dgemm::python;

namespace {
struct TypeName {
  dlpack::DataType type;
  const char *name;
};
/// The types of operands, and others that errors name.
constexpr TypeName kTypeNames[] = {{{dlpack::kFloat8E4M3FN, 8, 1}, "float8_e4m3fn"},
                                   {{dlpack::kBFloat, 16, 1}, "bfloat16"},
                                   {{dlpack::kFloat, 32, 1}, "float32"},
                                   {{dlpack::kInt, 32, 1}, "int32"},
                                   {{dlpack::kFloat, 64, 1}, "float64"},
                                   {{dlpack::kFloat, 16, 1}, "float16"},
                                   {{dlpack::kInt, 64, 1}, "int64"},
                                   {{dlpack::kInt, 16, 1}, "int16"},
                                   {{dlpack::kInt, 8, 1}, "int8"},
                                   {{dlpack::kUInt, 64, 1}, "uint64"},
                                   {{dlpack::kUInt, 32, 1}, "uint32"},
                                   {{dlpack::kUInt, 16, 1}, "uint16"},
                                   {{dlpack::kUInt, 8, 1}, "uint8"},
                                   {{dlpack::kBool, 8, 1}, "bool"},
                                   {{dlpack::kComplex, 64, 1}, "complex64"},
                                   {{dlpack::kComplex, 128, 1}, "complex128"},
                                   {{dlpack::kFloat8E3M4, 8, 1}, "float8_e3m4"},
                                   {{dlpack::kFloat8E4M3, 8, 1}, "float8_e4m3"},
                                   {{dlpack::kFloat8E4M3B11FNUZ, 8, 1}, "float8_e4m3b11fnuz"},
                                   {{dlpack::kFloat8E4M3FNUZ, 8, 1}, "float8_e4m3fnuz"},
                                   {{dlpack::kFloat8E5M2, 8, 1}, "float8_e5m2"},
                                   {{dlpack::kFloat8E5M2FNUZ, 8, 1}, "float8_e5m2fnuz"},
                                   {{dlpack::kFloat8E8M0FNU, 8, 1}, "float8_e8m0fnu"},
                                   {{dlpack::kFloat6E2M3FN, 6, 1}, "float6_e2m3fn"},
                                   {{dlpack::kFloat6E3M2FN, 6, 1}, "float6_e3m2fn"},
                                   {{dlpack::kFloat4E2M1FN, 4, 1}, "float4_e2m1fn"},
                                   {{dlpack::kFloat4E2M1FN, 4, 2}, "float4_e2m1fn_x2"}};
} // namespace

std::string TensorView::getTypeName() const {
  for (const TypeName &entry : kTypeNames)
    if (entry.type.code == dtype.code && entry.type.bits == dtype.bits && entry.type.lanes == dtype.lanes)
      return entry.name;
  return llvm::formatv("dlpack_type({0}, {1}, {2})", unsigned(dtype.code), unsigned(dtype.bits), dtype.lanes);
}

std::string TensorView::getDeviceName() const {
  if (device.type == dlpack::kCPU)
    return "cpu";
  if (device.type == dlpack::kCUDA)
    return llvm::formatv("cuda:{0}", device.id);
  return llvm::formatv("dlpack_device({0}):{1}", device.type, device.id);
}

//===----------------------------------------------------------------------===//
// Readers
//===----------------------------------------------------------------------===//

namespace {
/// Through the exchange API of the type: no Python object is made.
class ExchangeReader : public TensorReader {
public:
  explicit ExchangeReader(const dlpack::ExchangeAPI *api) : api(api) {}

  /// Null if the type has no such API, or one that cannot be used here.
  static const dlpack::ExchangeAPI *findAPI(PyTypeObject *type) {
    PyObject *capsule = PyObject_GetAttrString(reinterpret_cast<PyObject *>(type), dlpack::kExchangeAttribute);
    const dlpack::ExchangeAPI *api = nullptr;
    if (capsule && PyCapsule_IsValid(capsule, dlpack::kExchangeCapsule))
      api = static_cast<const dlpack::ExchangeAPI *>(PyCapsule_GetPointer(capsule, dlpack::kExchangeCapsule));
    Py_XDECREF(capsule); // the API lives as long as the process
    PyErr_Clear();
    while (api && api->version.major != dlpack::kMajorVersion)
      api = api->previous;
    return api && api->tensorFromPyObject && api->currentWorkStream ? api : nullptr;
  }

  bool read(PyObject *object, TensorView &view) const override {
    dlpack::Tensor tensor;
    if (api->tensorFromPyObject(object, &tensor) != 0) {
      PyErr_Clear();
      return false;
    }
    if (tensor.ndim > TensorView::kMaxRank)
      return false;
    view.address = reinterpret_cast<uintptr_t>(tensor.data) + tensor.byteOffset;
    view.device = tensor.device;
    view.dtype = tensor.dtype;
    view.ndim = tensor.ndim;
    int64_t dense = 1;
    for (int i = tensor.ndim - 1; i >= 0; --i) {
      view.shape[i] = tensor.shape[i];
      view.strides[i] = tensor.strides ? tensor.strides[i] : dense;
      dense *= tensor.shape[i];
    }
    return true;
  }

  bool getCurrentStream(int device, void *&stream) const override {
    if (api->currentWorkStream(dlpack::kCUDA, device, &stream) == 0)
      return true;
    PyErr_Clear();
    return false;
  }

private:
  const dlpack::ExchangeAPI *api;
};

/// A new reference to an attribute, without an error set if there is none.
nb::object getAttribute(PyObject *object, PyObject *name) {
  PyObject *value = PyObject_GetAttr(object, name);
  if (!value)
    PyErr_Clear();
  return nb::steal(value);
}
nb::object callMethod(PyObject *object, PyObject *name) {
  PyObject *value = PyObject_CallMethodObjArgs(object, name, nullptr);
  if (!value)
    PyErr_Clear();
  return nb::steal(value);
}
/// False if `tuple` is not a tuple, or has more than kMaxRank elements.
bool readIntegers(nb::handle tuple, int64_t *out, int &count) {
  if (!tuple.is_valid() || !PyTuple_Check(tuple.ptr()) || PyTuple_Size(tuple.ptr()) > TensorView::kMaxRank)
    return false;
  count = int(PyTuple_Size(tuple.ptr()));
  for (int i = 0; i < count; ++i)
    out[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple.ptr(), i));
  return !PyErr_Occurred();
}

/// Through the attributes of torch.Tensor: for a torch without the exchange API (before 2.10), or whose exchange API
/// does not know a type.
class TorchReader : public TensorReader {
public:
  explicit TorchReader(std::unique_ptr<TensorReader> first) : first(std::move(first)) {
    nb::module_ torch = nb::module_::import_("torch");
    for (const TypeName &entry : kTypeNames)
      if (nb::object dtype = nb::getattr(torch, entry.name, nb::none()); !dtype.is_none())
        types.emplace_back(dtype.release().ptr(), entry.type);
    nb::object native = torch.attr("_C");
    currentStream = nb::getattr(native, "_cuda_getCurrentRawStream", nb::none()).release().ptr();
  }

  bool read(PyObject *object, TensorView &view) const override {
    if (first && first->read(object, view))
      return true;
    nb::object dtype = getAttribute(object, names.dtype);
    auto type = std::find_if(types.begin(), types.end(), [&](auto &entry) { return entry.first == dtype.ptr(); });
    nb::object address = callMethod(object, names.dataPtr), device = callMethod(object, names.getDevice);
    nb::object isCUDA = getAttribute(object, names.isCUDA);
    int rank = 0;
    bool ok = type != types.end() && address.is_valid() && device.is_valid() && isCUDA.is_valid() &&
              readIntegers(getAttribute(object, names.shape), view.shape, view.ndim) &&
              readIntegers(callMethod(object, names.stride), view.strides, rank) && rank == view.ndim;
    if (ok) {
      view.dtype = type->second;
      view.address = PyLong_AsUnsignedLongLong(address.ptr());
      bool onGPU = isCUDA.ptr() == Py_True;
      view.device = {onGPU ? dlpack::kCUDA : dlpack::kCPU, onGPU ? int32_t(PyLong_AsLong(device.ptr())) : 0};
    }
    ok = ok && !PyErr_Occurred();
    PyErr_Clear();
    return ok;
  }

  bool getCurrentStream(int device, void *&stream) const override {
    if (first && first->getCurrentStream(device, stream))
      return true;
    if (currentStream == Py_None)
      return false;
    nb::object index = nb::steal(PyLong_FromLong(device));
    nb::object value = nb::steal(PyObject_CallFunctionObjArgs(currentStream, index.ptr(), nullptr));
    if (value.is_valid())
      stream = reinterpret_cast<void *>(uintptr_t(PyLong_AsUnsignedLongLong(value.ptr())));
    bool ok = value.is_valid() && !PyErr_Occurred();
    PyErr_Clear();
    return ok;
  }

private:
  /// Interned once: attribute look-ups by C strings would create a new string each time.
  struct Names {
    PyObject *dtype = PyUnicode_InternFromString("dtype"), *dataPtr = PyUnicode_InternFromString("data_ptr"),
             *shape = PyUnicode_InternFromString("shape"), *stride = PyUnicode_InternFromString("stride"),
             *isCUDA = PyUnicode_InternFromString("is_cuda"), *getDevice = PyUnicode_InternFromString("get_device");
  } names;
  std::unique_ptr<TensorReader> first;
  std::vector<std::pair<PyObject *, dlpack::DataType>> types;
  PyObject *currentStream;
};

/// Views that Python made of other libraries' tensors; their creator knows the stream.
class ViewReader : public TensorReader {
public:
  bool read(PyObject *object, TensorView &view) const override {
    view = *nb::inst_ptr<TensorView>(nb::handle(object));
    return true;
  }
  bool getCurrentStream(int, void *&) const override { return false; }
};
} // namespace

/// True for torch.Tensor and for subclasses with the same meaning of data: parameters, and those of serving engines.
/// Subclasses with their own __torch_dispatch__ (tracing, sharding) take the slow path.
static bool isPlainTorchTensor(PyTypeObject *type) {
  nb::object name = nb::steal(PyUnicode_FromString("torch"));
  nb::object torch = nb::steal(PyImport_GetModule(name.ptr())); // null if it is not imported
  nb::object tensor = torch.is_valid() ? nb::steal(PyObject_GetAttrString(torch.ptr(), "Tensor")) : nb::object();
  PyObject *object = reinterpret_cast<PyObject *>(type);
  bool plain = tensor.is_valid() && PyObject_IsSubclass(object, tensor.ptr()) == 1;
  if (plain) {
    nb::object expected = nb::steal(PyObject_GetAttrString(tensor.ptr(), "__torch_dispatch__"));
    nb::object found = nb::steal(PyObject_GetAttrString(object, "__torch_dispatch__"));
    plain = expected.is_valid() && expected.ptr() == found.ptr();
  }
  PyErr_Clear();
  return plain;
}

static std::unique_ptr<TensorReader> makeReader(PyTypeObject *type) {
  if (nb::type<TensorView>().ptr() == reinterpret_cast<PyObject *>(type))
    return std::make_unique<ViewReader>();
  if (!isPlainTorchTensor(type))
    return nullptr;
  std::unique_ptr<TensorReader> exchange;
  if (const dlpack::ExchangeAPI *api = ExchangeReader::findAPI(type))
    exchange = std::make_unique<ExchangeReader>(api);
  return std::make_unique<TorchReader>(std::move(exchange));
}

const TensorReader *TensorReader::find(PyTypeObject *type) {
  // Protected by the GIL. Types in it stay alive, so an address never means another type.
  static auto &readers = *new std::unordered_map<PyTypeObject *, std::unique_ptr<TensorReader>>();
  static std::pair<PyTypeObject *, const TensorReader *> last;
  if (last.first == type)
    return last.second;
  auto it = readers.find(type);
  if (it == readers.end()) {
    Py_INCREF(reinterpret_cast<PyObject *>(type));
    it = readers.emplace(type, makeReader(type)).first;
  }
  last = {type, it->second.get()};
  return last.second;
}

//===----------------------------------------------------------------------===//
// Bindings
//===----------------------------------------------------------------------===//

static void initTensor(TensorView *self, uint64_t address, const std::vector<int64_t> &shape,
                       const std::vector<int64_t> &strides, const std::string &dtype, int device) {
  if (shape.size() > TensorView::kMaxRank || shape.size() != strides.size())
    throw nb::value_error("shape and strides must have the same length, 4 at most");
  TensorView *view = new (self) TensorView();
  view->address = address;
  view->device = device < 0 ? dlpack::Device{dlpack::kCPU, 0} : dlpack::Device{dlpack::kCUDA, device};
  view->ndim = int(shape.size());
  std::copy(shape.begin(), shape.end(), view->shape);
  std::copy(strides.begin(), strides.end(), view->strides);
  for (const TypeName &entry : kTypeNames)
    if (dtype == entry.name) {
      view->dtype = entry.type;
      return;
    }
  throw nb::value_error(("unknown dtype '" + dtype + "'").c_str());
}

static nb::tuple toTuple(const int64_t *values, int count) {
  nb::list list;
  for (int i = 0; i < count; ++i)
    list.append(values[i]);
  return nb::tuple(list);
}

void dgemm::python::bindTensor(nb::module_ &module) {
  nb::list names;
  for (const TypeName &entry : kTypeNames)
    names.append(entry.name);
  module.attr("DTYPES") = nb::tuple(names);
  nb::class_<TensorView>(module, "TensorView", nb::is_final(),
                         "The address of a tensor, its shape and strides in elements, dtype and device.")
      .def("__init__", &initTensor, nb::arg("address"), nb::arg("shape"), nb::arg("strides"), nb::arg("dtype"),
           nb::arg("device"), "A device of -1 is the CPU.")
      .def_ro("address", &TensorView::address)
      .def_ro("ndim", &TensorView::ndim)
      .def_prop_ro("shape", [](const TensorView &view) { return toTuple(view.shape, view.ndim); })
      .def_prop_ro("strides", [](const TensorView &view) { return toTuple(view.strides, view.ndim); })
      .def_prop_ro("dtype", &TensorView::getTypeName)
      .def_prop_ro("device", &TensorView::getDeviceName)
      .def_prop_ro("device_index",
                   [](const TensorView &view) { return view.device.type == dlpack::kCUDA ? view.device.id : -1; });
  module.def(
      "read_tensor",
      [](nb::handle object) -> nb::object {
        TensorView view;
        const TensorReader *reader = TensorReader::find(Py_TYPE(object.ptr()));
        return reader && reader->read(object.ptr(), view) ? nb::cast(view) : nb::none();
      },
      nb::arg("tensor").none(), "A view of a plain torch tensor; None if it is something else.");
  module.def(
      "current_stream",
      [](nb::handle tensor, int device) -> nb::object {
        void *stream = nullptr;
        const TensorReader *reader = TensorReader::find(Py_TYPE(tensor.ptr()));
        return reader && reader->getCurrentStream(device, stream) ? nb::cast(uint64_t(uintptr_t(stream))) : nb::none();
      },
      nb::arg("tensor").none(), nb::arg("device"), "The current CUstream of the library of a torch tensor.");
}
