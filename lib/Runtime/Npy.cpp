//===- Npy.cpp - NumPy files ----------------------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// The format is numpy.lib.format's: "\x93NUMPY", version, header length, a Python dict literal, the data.
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Npy.h"
#include "dgemm/Support/OutputFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <algorithm>
#include <cstring>

using namespace llvm;

namespace dgemm {

static constexpr StringLiteral kMagic = "\x93NUMPY";

namespace {
struct Header {
  std::string descr;
  bool fortranOrder = false;
  SmallVector<int64_t, 4> shape;
};
} // namespace

static std::string formatShape(ArrayRef<int64_t> shape) {
  return "(" + join(map_range(shape, [](int64_t v) { return std::to_string(v); }), ", ") + ")";
}

/// The text after `'key':` in the dict, if any.
static StringRef findValue(StringRef dict, StringRef key) {
  size_t at = dict.find(("'" + key + "'").str());
  return at == StringRef::npos ? StringRef() : dict.substr(at + key.size() + 2).ltrim().ltrim(':').ltrim();
}

static bool parseHeader(StringRef dict, Header &header) {
  StringRef descr = findValue(dict, "descr"), order = findValue(dict, "fortran_order"),
            shape = findValue(dict, "shape");
  if (!descr.consume_front("'") || !shape.consume_front("("))
    return false;
  header.descr = descr.take_until([](char c) { return c == '\''; }).str();
  if (!order.starts_with("True") && !order.starts_with("False"))
    return false;
  header.fortranOrder = order.starts_with("True");
  SmallVector<StringRef, 4> parts;
  shape.take_until([](char c) { return c == ')'; }).split(parts, ',', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    int64_t extent;
    if (part.trim().empty())
      continue;
    if (part.trim().getAsInteger(10, extent) || extent < 0)
      return false;
    header.shape.push_back(extent);
  }
  return true;
}

/// Splits the file into header and data.
static Expected<StringRef> readHeader(StringRef file, Header &header) {
  auto bad = [](const Twine &why) { return createStringError("not a .npy file: " + why); };
  if (!file.consume_front(kMagic) || file.size() < 4)
    return bad("it does not start with \\x93NUMPY and a version");
  unsigned major = uint8_t(file[0]);
  if (major < 1 || major > 3)
    return bad("format version " + Twine(major) + " is unknown");
  unsigned lengthBytes = major == 1 ? 2 : 4;
  if (file.size() < 2 + lengthBytes)
    return bad("it ends within its header");
  size_t length = major == 1 ? support::endian::read16le(file.data() + 2) : support::endian::read32le(file.data() + 2);
  StringRef rest = file.drop_front(2 + lengthBytes);
  if (rest.size() < length || !parseHeader(rest.take_front(length), header))
    return bad("its header cannot be read");
  return rest.drop_front(length);
}

static bool accepts(ElementType type, StringRef descr) {
  if (descr.size() < 3)
    return false;
  char order = descr.front();
  StringRef kind = descr.drop_front();
  if (order == '>' || (order == '|' && kind != "u1" && kind != "i1" && kind.front() != 'V'))
    return false;
  switch (type) {
  case ElementType::F8E4M3FN:
  case ElementType::F8E5M2:
  case ElementType::F8E8M0FNU:
    return kind == "u1" || kind == "i1" || kind == "V1" || kind == "f1";
  case ElementType::BF16:
    return kind == "u2" || kind == "i2" || kind == "V2";
  case ElementType::F16:
    return kind == "f2";
  case ElementType::F32:
    return kind == "f4";
  case ElementType::I32:
    return kind == "i4";
  }
  return false;
}

static StringRef getDescr(ElementType type) {
  switch (type) {
  case ElementType::F8E4M3FN:
  case ElementType::F8E5M2:
  case ElementType::F8E8M0FNU:
    return "|u1";
  case ElementType::BF16:
    return "<u2";
  case ElementType::F16:
    return "<f2";
  case ElementType::F32:
    return "<f4";
  case ElementType::I32:
    return "<i4";
  }
  llvm_unreachable("unknown element type");
}

/// Copies elements stored with the first dimension innermost.
static void copyFortranOrder(StringRef data, HostTensor &tensor) {
  unsigned width = getByteWidth(tensor.type);
  for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i) {
    int64_t rest = i, target = 0;
    SmallVector<int64_t, 4> index;
    for (int64_t extent : tensor.shape) {
      index.push_back(rest % extent);
      rest /= extent;
    }
    for (auto [position, extent] : zip(index, tensor.shape))
      target = target * extent + position;
    std::memcpy(tensor.data.data() + target * width, data.data() + i * width, width);
  }
}

Expected<HostTensor> readNpy(StringRef path, StringRef name, ElementType type, ArrayRef<int64_t> shape) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
      MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(formatv("cannot read '{0}': {1}", path, buffer.getError().message()));
  Header header;
  Expected<StringRef> data = readHeader((*buffer)->getBuffer(), header);
  if (!data)
    return createStringError(formatv("'{0}' is {1}", path, toString(data.takeError())));
  if (!accepts(type, header.descr))
    return createStringError(formatv("'{0}' has elements of type '{1}' but {2} needs {3}, in NumPy '{4}'", path,
                                     header.descr, name, toString(type), getDescr(type)));
  if (ArrayRef<int64_t>(header.shape) != shape)
    return createStringError(formatv("'{0}' has the shape {1} but {2} needs {3}", path, formatShape(header.shape), name,
                                     formatShape(shape)));
  Expected<HostTensor> tensor = HostTensor::create(name, type, shape);
  if (!tensor)
    return tensor;
  if (data->size() < tensor->data.size())
    return createStringError(
        formatv("'{0}' has {1} bytes of data; its header promises {2}", path, data->size(), tensor->data.size()));
  if (header.fortranOrder)
    copyFortranOrder(*data, *tensor);
  else
    std::copy_n(data->bytes_begin(), tensor->data.size(), tensor->data.begin());
  return tensor;
}

Error writeNpy(StringRef path, const HostTensor &tensor) {
  std::string dict =
      formatv("{{'descr': '{0}', 'fortran_order': False, 'shape': {1}, }", getDescr(tensor.type),
              tensor.shape.size() == 1 ? "(" + std::to_string(tensor.shape[0]) + ",)" : formatShape(tensor.shape));
  // The data starts at a multiple of 64 bytes; the header ends in a newline.
  size_t prefix = kMagic.size() + 4;
  dict.append(alignTo(prefix + dict.size() + 1, 64) - (prefix + dict.size() + 1), ' ');
  dict += '\n';
  return writeFile(path, [&](raw_ostream &os) {
    char head[4] = {1, 0};
    support::endian::write16le(head + 2, uint16_t(dict.size()));
    os << kMagic << StringRef(head, 4) << dict;
    os.write(reinterpret_cast<const char *>(tensor.data.data()), tensor.data.size());
  });
}

} // namespace dgemm
