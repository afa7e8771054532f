#include "formats/check.h"

namespace instar {

Result<CheckCounts> CheckImage(const CheckOptions& options) {
  switch (options.reader->format()) {
    case FormatId::kQcow2:
    case FormatId::kVmdk:
    case FormatId::kVpc:
    case FormatId::kVhdx:
    case FormatId::kRaw:
    case FormatId::kUnknown:
    case FormatId::kLuks:
    case FormatId::kVdi:
    case FormatId::kQed:
    case FormatId::kQcow1:
    case FormatId::kParallels:
    case FormatId::kDmg:
    case FormatId::kBochs:
    case FormatId::kCloop:
      return Unsupported("images of this format have nothing that could be checked");
  }
  return Unsupported("images of this format have nothing that could be checked");
}

}  // namespace instar
