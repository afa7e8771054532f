#include "formats/measure.h"

#include "formats/qcow2/write/measurer.h"
#include "formats/raw/measurer.h"
#include "formats/vhdx/measurer.h"
#include "formats/vmdk/measurer.h"
#include "formats/vpc/measurer.h"

namespace instar {

Result<std::unique_ptr<ImageMeasurer>> MeasureImage(const CreateOptions& options) {
  switch (options.format) {
    case FormatId::kRaw:
      return raw::Measurer::Create(options);
    case FormatId::kQcow2:
      return qcow2::Measurer::Create(options);
    case FormatId::kVmdk:
      return vmdk::CreateMeasurer(options);
    case FormatId::kVpc:
      return vpc::CreateMeasurer(options);
    case FormatId::kVhdx:
      return vhdx::CreateMeasurer(options);
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
