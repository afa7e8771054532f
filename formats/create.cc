#include "formats/create.h"

#include "formats/qcow2/write/writer.h"
#include "formats/raw/writer.h"
#include "formats/vhdx/writer.h"
#include "formats/vmdk/writer.h"
#include "formats/vpc/writer.h"
#include "formats/writer_table.h"

namespace instar {

Result<std::unique_ptr<ImageWriter>> CreateImage(const CreateOptions& options) {
  switch (options.format) {
    case FormatId::kRaw:
      return AsImageWriter(raw::Writer::Create(options));
    case FormatId::kQcow2:
      return AsImageWriter(qcow2::Writer::Create(options));
    case FormatId::kVmdk:
      return vmdk::CreateWriter(options);
    case FormatId::kVpc:
      return vpc::CreateWriter(options);
    case FormatId::kVhdx:
      return AsImageWriter(vhdx::Writer::Create(options));
    case FormatId::kUnknown:
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
