#include "formats/create.h"

#include <utility>

#include "formats/qcow2/overwriter.h"
#include "formats/qcow2/writer.h"
#include "formats/raw/writer.h"

namespace instar {
namespace {

template <typename Writer>
Result<std::unique_ptr<ImageWriter>> AsImageWriter(Result<std::unique_ptr<Writer>> writer) {
  if (!writer) return std::unexpected(writer.error());
  return *std::move(writer);
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateImage(const CreateOptions& options) {
  switch (options.format) {
    case FormatId::kRaw:
      return AsImageWriter(raw::Writer::Create(options));
    case FormatId::kQcow2:
      return AsImageWriter(qcow2::Writer::Create(options));
    case FormatId::kUnknown:
    case FormatId::kVmdk:
    case FormatId::kVpc:
    case FormatId::kVhdx:
    case FormatId::kLuks:
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      return Unsupported("images of this format cannot be written");
  }
  return Unsupported("images of this format cannot be written");
}

Result<std::unique_ptr<ImageWriter>> OverwriteImage(const CreateOptions& options) {
  switch (options.format) {
    case FormatId::kRaw:
      return AsImageWriter(raw::Writer::Overwrite(options));
    case FormatId::kQcow2:
      return AsImageWriter(qcow2::Overwriter::Open(options));
    case FormatId::kUnknown:
    case FormatId::kVmdk:
    case FormatId::kVpc:
    case FormatId::kVhdx:
    case FormatId::kLuks:
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      return Unsupported("images of this format cannot be written");
  }
  return Unsupported("images of this format cannot be written");
}

}  // namespace instar
