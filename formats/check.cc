#include "formats/check.h"

#include "formats/qcow2/check/check.h"
#include "formats/vhdx/checker.h"
#include "formats/vmdk/checker.h"
#include "formats/vpc/checker.h"

namespace instar {

Result<CheckCounts> CheckImage(const CheckOptions& options) {
  switch (options.reader->format()) {
    case FormatId::kVmdk:
      return vmdk::Check(options);
    case FormatId::kVpc:
      return vpc::Check(options);
    case FormatId::kVhdx:
      return vhdx::Check(options);
    case FormatId::kQcow2:
      return qcow2::Check(options);
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
