#include "formats/vmdk/description.h"

namespace instar::vmdk {
namespace {

void DescribeExtent(const DiskExtent& extent, ReportSink& sink) {
  const bool sparse = extent.line.type == ExtentType::kSparse && extent.device != nullptr;
  sink.BeginObject("");
  if (sparse && extent.header.compressed()) sink.Boolean("compressed", true);
  sink.Unsigned("virtual-size", extent.length_bytes);
  if (extent.device != nullptr) {
    sink.Unsigned("device", static_cast<std::uint32_t>(extent.device->id()));
  } else {
    sink.String("filename", extent.line.name);
  }
  if (sparse) sink.Unsigned("cluster-size", extent.header.grain_bytes());
  sink.String("format", extent.embedded ? "" : NameOf(extent.line.type));
  sink.EndObject();
}

}  // namespace

Status Describe(const Descriptor& descriptor, std::span<const DiskExtent> extents,
                ReportSink& sink) {
  sink.BeginObject("format-specific");
  sink.String("type", "vmdk");
  sink.BeginObject("data");
  sink.Unsigned("cid", descriptor.cid.value_or(0));
  sink.Unsigned("parent-cid", descriptor.parent_cid.value_or(0));
  sink.String("create-type", descriptor.create_type);
  sink.BeginArray("extents");
  for (const DiskExtent& extent : extents) DescribeExtent(extent, sink);
  sink.EndArray();
  sink.EndObject();
  sink.EndObject();
  sink.Boolean("dirty-flag", false);
  return {};
}

}  // namespace instar::vmdk
