#include "formats/base/formats.h"
#include "formats/raw/partition_table.h"
#include "instar/chain.h"
#include "instar/records.h"
#include "instar/verbs.h"

namespace instar {
namespace {

Status DescribeLayer(const Layer& layer, bool partitions, ReportSink& sink) {
  const ImageReader& reader = *layer.reader;
  sink.BeginObject({});
  sink.Unsigned("device", static_cast<std::uint32_t>(layer.device->id()));
  sink.String("format", NameOf(reader.format()));
  sink.Unsigned("virtual-size", reader.virtual_size_bytes());
  if (reader.cluster_size_bytes() != 0) {
    sink.Unsigned("cluster-size", reader.cluster_size_bytes());
  }
  for (const Reference& reference : reader.references()) {
    if (reference.role != ReferenceRole::kBacking) continue;
    sink.String("backing-filename", reference.name);
    if (!reference.format_name.empty()) {
      sink.String("backing-filename-format", reference.format_name);
    }
    break;
  }
  if (const Status described = reader.Describe(sink); !described) {
    return std::unexpected(described.error().On(layer.device->id()));
  }
  if (layer.unfit_footer) sink.Boolean("unfit-footer", true);
  if (partitions && IsBareDisk(reader.format())) {
    INSTAR_TRY(raw::DescribePartitions(*layer.device, layer.raw_start_bytes, sink));
  }
  sink.EndObject();
  return {};
}

}  // namespace

Status RunInfo(Host& host, const InfoRequest& request) {
  // Data files are never opened: nothing that is reported stands in them.
  const ChainOptions options{
      .image = request.image,
      .max_depth = request.max_chain_depth,
      .references = request.backing_chain ? References::kBacking : References::kNone};
  INSTAR_ASSIGN_OR_RETURN(const auto chain, Chain::Open(host, options));
  RecordWriter report(host);
  for (const Layer& layer : chain->layers()) {
    INSTAR_TRY(DescribeLayer(layer, request.partitions, report));
  }
  return report.Finish();
}

}  // namespace instar
