#include "crash/images.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "crash/image_patches.h"
#include "crash/qemu_check.h"
#include "formats/qcow2/structures/header.h"

namespace instar::crash {
namespace {

constexpr std::uint64_t kDiskClusters = 12;

// A script that makes an image with `options` and a disk of 12 clusters.
std::string CreateLine(unsigned cluster_bits, const std::string& options,
                       const std::string& backing = "") {
  return absl::StrCat("qemu-img create -q -f qcow2 ", backing,
                      " -o cluster_size=", std::uint64_t{1} << cluster_bits,
                      options.empty() ? "" : ",", options, " i.qcow2 ",
                      kDiskClusters << cluster_bits, "\n");
}

// qemu-io commands; "C" in them stands for the bytes of a cluster.
std::string WriteLine(unsigned cluster_bits, const std::vector<std::string>& commands,
                      const std::string& file = "-f qcow2 i.qcow2") {
  std::string line = "C=" + std::to_string(std::uint64_t{1} << cluster_bits) + "\nqemu-io";
  for (const std::string& command : commands) absl::StrAppend(&line, " -c \"", command, "\"");
  absl::StrAppend(&line, " ", file, " >/dev/null\n");
  return line;
}

const std::vector<std::string> kSomeData = {"write -P 1 0 $C", "write -P 2 $((3*C)) $((2*C))",
                                            "write -z $((6*C)) $C", "write -P 3 $((11*C)) $C"};
const std::vector<std::string> kSomeDataOfVersion2 = {
    "write -P 1 0 $C", "write -P 2 $((3*C)) $((2*C))", "write -P 3 $((11*C)) $C"};

class Recipes {
 public:
  std::vector<ImageRecipe> list;

  ImageRecipe& Add(std::string name, unsigned cluster_bits, std::string script,
                   std::function<void(SparseFile&)> patch = nullptr) {
    list.push_back({.name = std::move(name),
                    .cluster_bits = cluster_bits,
                    .disk_bytes = kDiskClusters << cluster_bits,
                    .script = std::move(script),
                    .patch = std::move(patch)});
    return list.back();
  }

  // With some clusters of data.
  ImageRecipe& AddSome(std::string name, unsigned cluster_bits, const std::string& options,
                       std::function<void(SparseFile&)> patch = nullptr) {
    const bool old = options.find("compat=0.10") != std::string::npos;
    return Add(std::move(name), cluster_bits,
               CreateLine(cluster_bits, options) +
                   WriteLine(cluster_bits, old ? kSomeDataOfVersion2 : kSomeData),
               std::move(patch));
  }
};

void AddPlain(Recipes& recipes) {
  recipes.AddSome("v3-64k", 16, "");
  recipes.AddSome("v2-64k", 16, "compat=0.10");
  for (const unsigned bits : {9U, 10U, 11U, 12U}) {
    recipes.AddSome(absl::StrCat("v3-", 1U << bits), bits, "");
    recipes.AddSome(absl::StrCat("v2-", 1U << bits), bits, "compat=0.10");
  }
  recipes.AddSome("extended-l2-64k", 16, "extended_l2=on");
  recipes.Add("extended-l2-16k-parts", 14,
              CreateLine(14, "extended_l2=on") +
                  WriteLine(14, {"write -P 1 512 3584", "write -P 2 $((11*C+1024)) 2048",
                                 "write -z $((11*C+8192)) 512", "write -P 3 $((5*C)) $C"}));
  for (const unsigned bits : {1U, 2U, 8U, 32U, 64U}) {
    recipes.AddSome(absl::StrCat("refcounts-of-", bits, "-bits-512"), 9,
                    absl::StrCat("refcount_bits=", bits));
  }
  recipes.AddSome("refcounts-of-1-bit-64k", 16, "refcount_bits=1");
  recipes.AddSome("refcounts-of-64-bits-64k", 16, "refcount_bits=64");
  recipes.Add("empty-64k", 16, CreateLine(16, ""));
  recipes.Add("empty-512", 9, CreateLine(9, ""));
  recipes.Add("of-size-0", 9, "qemu-img create -q -f qcow2 -o cluster_size=512 i.qcow2 0\n")
      .disk_bytes = 0;
  recipes.Add("full-preallocated-4k", 12, CreateLine(12, "preallocation=full"));
  recipes.AddSome("lazy-refcounts", 12, "lazy_refcounts=on");
  recipes.Add(
      "compressed-64k", 16,
      CreateLine(16, "") + WriteLine(16, {"write -c -P 1 0 $C", "write -c -P 2 $C $C",
                                          "write -P 7 $((4*C)) $C", "write -c -P 3 $((11*C)) $C"}));
  recipes.Add("compressed-zstd-4k", 12,
              CreateLine(12, "compression_type=zstd") +
                  WriteLine(12, {"write -c -P 1 0 $C", "write -c -P 3 $((11*C)) $C"}));
  ImageRecipe& tebibyte =
      recipes.Add("1-TiB-64k", 16,
                  "qemu-img create -q -f qcow2 i.qcow2 1T\n" +
                      WriteLine(16, {"write -P 1 0 $C", "write -P 2 600M $C",
                                     "write -P 3 $((1024*1024*1024*1024-C)) $C"}));
  tebibyte.disk_bytes = std::uint64_t{1} << 40;
}

void AddWithFiles(Recipes& recipes) {
  recipes.AddSome("data-file-64k", 16, "data_file=d.raw");
  recipes.AddSome("data-file-raw-64k", 16, "data_file=d.raw,data_file_raw=on");
  recipes.AddSome("data-file-512", 9, "data_file=d.raw");
  recipes.Add("data-file-raw-longer", 12,
              CreateLine(12, "data_file=d.raw,data_file_raw=on") + WriteLine(12, kSomeData) +
                  "truncate -s 200k d.raw\n" +
                  WriteLine(12, {"write -P 9 48k 100k"}, "-f raw d.raw"));
  const auto overlay = [&](const std::string& name, unsigned bits, const std::string& options,
                           std::uint64_t base_clusters, const std::string& base_name = "b.raw") {
    const bool old = options.find("compat=0.10") != std::string::npos;
    recipes.Add(name, bits,
                absl::StrCat("truncate -s ", base_clusters << bits, " b.raw\n",
                             WriteLine(bits, {absl::StrCat("write -P 8 0 ", base_clusters << bits)},
                                       "-f raw b.raw"),
                             CreateLine(bits, options, "-F raw -b " + base_name),
                             WriteLine(bits, old ? kSomeDataOfVersion2 : kSomeData)));
  };
  for (const unsigned bits : {9U, 16U}) {
    const std::string size = absl::StrCat(1U << bits);
    overlay("overlay-of-longer-" + size, bits, "", 20);
    overlay("overlay-of-longer-v2-" + size, bits, "compat=0.10", 20);
    overlay("overlay-of-equal-" + size, bits, "", 12);
    overlay("overlay-of-shorter-" + size, bits, "", 5);
  }
  overlay("overlay-of-longer-extended-l2", 14, "extended_l2=on", 20);
  overlay("overlay-of-longer-data-file", 12, "data_file=d.raw", 20);
  std::string long_name;
  for (int i = 0; i < 400; ++i) long_name += "./";
  overlay("long-backing-name-1k", 10, "", 14, long_name.substr(0, 600) + "b.raw");
  overlay("long-backing-name-2k", 11, "", 14, long_name + "b.raw");
  overlay("long-backing-name-64k", 16, "", 14, long_name + "b.raw");
  overlay("long-backing-name-512", 9, "compat=0.10", 14, long_name.substr(0, 300) + "b.raw");
}

void AddWithTables(Recipes& recipes) {
  for (const unsigned bits : {9U, 12U, 16U}) {
    const std::string size = absl::StrCat(1U << bits);
    const std::string some = CreateLine(bits, "") + WriteLine(bits, kSomeData);
    recipes.Add("snapshot-" + size, bits,
                some + "qemu-img snapshot -c one i.qcow2\n" +
                    WriteLine(bits, {"write -P 5 $((3*C)) $C", "write -P 6 $((8*C)) $C"}));
    recipes.Add("bitmap-" + size, bits,
                some + "qemu-img bitmap --add -g 512 i.qcow2 fine\n" +
                    "qemu-img bitmap --add -g 65536 i.qcow2 coarse\n" +
                    WriteLine(bits, {"write -P 5 $((4*C)) $C", "write -P 5 $((11*C)) $C"}) +
                    "qemu-img bitmap --disable i.qcow2 coarse\n");
  }
  recipes.Add("bitmap-in-use-4k", 12,
              CreateLine(12, "") + "qemu-img bitmap --add -g 512 i.qcow2 a\n" +
                  WriteLine(12, kSomeData) + "qemu-img bitmap --add i.qcow2 b\n",
              SetBitmapInUse);
  std::string many =
      CreateLine(9, "") + "qemu-img bitmap --add -g 512 i.qcow2 a\n" + WriteLine(9, kSomeData);
  for (int i = 0; i < 12; ++i) {
    absl::StrAppend(&many, "qemu-img bitmap --add i.qcow2 ", std::string(100, 'a' + i), "\n");
  }
  recipes.Add("bitmaps-many-512", 9, many);
  recipes.Add(
      "bitmaps-not-trusted-4k", 12,
      CreateLine(12, "") + "qemu-img bitmap --add -g 512 i.qcow2 a\n" + WriteLine(12, kSomeData),
      [](SparseFile& image) {
        qcow2::Header header = HeaderOf(image);
        header.autoclear_features = 0;
        StoreHeader(image, header);
      });
  recipes.Add("snapshot-and-bitmap-4k", 12,
              CreateLine(12, "") + WriteLine(12, kSomeData) +
                  "qemu-img bitmap --add -g 4096 i.qcow2 b\nqemu-img snapshot -c one i.qcow2\n" +
                  WriteLine(12, {"write -P 5 0 $((2*C))"}) + "qemu-img snapshot -c two i.qcow2\n");
  recipes.Add("snapshot-v2-512", 9,
              CreateLine(9, "compat=0.10") + WriteLine(9, kSomeDataOfVersion2) +
                  "qemu-img snapshot -c one i.qcow2\n");
  recipes.Add("snapshot-of-other-size-512", 9,
              CreateLine(9, "") + WriteLine(9, kSomeData) + "qemu-img snapshot -c one i.qcow2\n" +
                  "qemu-img resize -q i.qcow2 12k\n" + WriteLine(9, {"write -P 7 10k 2k"}) +
                  "qemu-img snapshot -c two i.qcow2\nqemu-img resize -q --shrink i.qcow2 6k\n");
  recipes.Add("snapshot-data-file-raw-none-4k", 12,
              CreateLine(12, "data_file=d.raw") + WriteLine(12, kSomeData) +
                  "qemu-img bitmap --add -g 512 i.qcow2 b\n" + WriteLine(12, {"write -P 7 0 $C"}));
}

// Zero clusters with and without a place, in the disk and in snapshots.
void AddZeroClusters(Recipes& recipes) {
  for (const unsigned bits : {9U, 16U}) {
    const std::string size = absl::StrCat(1U << bits);
    const std::string first =
        WriteLine(bits, {"write -P 1 0 $((3*C))", "write -z $C $C", "write -z $((6*C)) $((2*C))"});
    const std::string snapshots =
        "qemu-img snapshot -c one i.qcow2\n" +
        WriteLine(bits, {"write -P 4 $C $C", "write -z $((9*C)) $C", "write -z 0 $C"}) +
        "qemu-img snapshot -c two i.qcow2\n" + WriteLine(bits, {"write -P 5 $((9*C)) $C"});
    const std::string backing =
        absl::StrCat("truncate -s ", 20U << bits, " b.raw\n",
                     WriteLine(bits, {absl::StrCat("write -P 8 0 ", 20U << bits)}, "-f raw b.raw"));
    const std::string overlay = backing + CreateLine(bits, "", "-F raw -b b.raw");
    recipes.Add("zero-clusters-" + size, bits, CreateLine(bits, "") + first);
    recipes.Add("zero-clusters-in-snapshots-" + size, bits,
                CreateLine(bits, "") + first + snapshots);
    recipes.Add("zero-clusters-of-overlay-" + size, bits, overlay + first);
    recipes.Add("zero-clusters-of-overlay-in-snapshots-" + size, bits, overlay + first + snapshots);
  }
  recipes.Add("nothing-but-zero-clusters-4k", 12,
              CreateLine(12, "compression_type=zstd") + WriteLine(12, {"write -z 0 $((12*C))"}));
  recipes.Add("snapshots-v2-without-extra-data", 12,
              CreateLine(12, "compat=0.10") + WriteLine(12, kSomeDataOfVersion2) +
                  "qemu-img snapshot -c one i.qcow2\n" + WriteLine(12, {"write -P 7 $C $C"}) +
                  "qemu-img snapshot -c two i.qcow2\n",
              DropSnapshotExtraData);
}

void AddDamaged(Recipes& recipes) {
  const auto end_inside = [](SparseFile& image) { image.Resize(image.size_bytes() - 300); };
  recipes.Add("file-ends-inside-a-cluster", 12,
              CreateLine(12, "") + WriteLine(12, {"write -P 1 0 $C", "write -P 3 $((11*C)) $C"}),
              end_inside);
  recipes.AddSome("references-beyond-the-end", 12, "", [](SparseFile& image) {
    image.Resize(image.size_bytes() - 2 * HeaderOf(image).cluster_bytes());
  });
  const auto leak = [](SparseFile& image) {
    const std::uint64_t end = ClustersOf(image);
    SetRefcount(image, end, 1);
    SetRefcount(image, end + 2, 2);
    image.Resize((end + 3) << HeaderOf(image).cluster_bits);
  };
  recipes.AddSome("leaks-512", 9, "", leak);
  recipes.AddSome("leaks-64k", 16, "", leak);
  recipes.AddSome("leak-by-a-count-too-high", 12, "",
                  [](SparseFile& image) { SetRefcount(image, ClustersOf(image) - 1, 3); });
  const auto dirty = [](SparseFile& image) {
    qcow2::Header header = HeaderOf(image);
    header.incompatible_features |= qcow2::kIncompatDirty;
    StoreHeader(image, header);
    const std::uint64_t end = ClustersOf(image);
    SetRefcount(image, end - 1, 0);
    SetRefcount(image, end - 2, 0);
    SetRefcount(image, end + 1, 1);
    image.Resize((end + 2) << header.cluster_bits);
  };
  recipes.AddSome("dirty-512", 9, "lazy_refcounts=on", dirty);
  recipes.AddSome("dirty-64k", 16, "lazy_refcounts=on", dirty);
  const auto tail = [](SparseFile& image) {
    const std::uint64_t bytes = HeaderOf(image).cluster_bytes();
    const std::vector<std::byte> garbage(2 * bytes + bytes / 2, std::byte{0xEE});
    image.Write(ClustersOf(image) * bytes, garbage);
  };
  recipes.AddSome("tail-of-garbage-512", 9, "", tail);
  recipes.AddSome("tail-of-garbage-64k", 16, "", tail);
  const auto cut_disk = [](SparseFile& image) {
    qcow2::Header header = HeaderOf(image);
    header.virtual_size_bytes -= 3 * header.cluster_bytes() / 2 / 512 * 512;
    StoreHeader(image, header);
  };
  for (const unsigned bits : {9U, 12U, 16U}) {
    const std::string size = absl::StrCat(1U << bits);
    ImageRecipe& entries =
        recipes.AddSome("entries-behind-the-end-" + size, bits, "", [](SparseFile& image) {
          qcow2::Header header = HeaderOf(image);
          header.virtual_size_bytes -= 2 * header.cluster_bytes();
          StoreHeader(image, header);
        });
    entries.disk_bytes -= std::uint64_t{2} << bits;
    if (bits == 9) continue;
    ImageRecipe& stale = recipes.Add(
        "stale-bytes-behind-the-end-" + size, bits,
        CreateLine(bits, "") + WriteLine(bits, {"write -P 1 0 $C", "write -P 3 $((10*C)) $C"}),
        cut_disk);
    stale.disk_bytes -= 3 * (std::uint64_t{1} << bits) / 2;
    ImageRecipe& both =
        recipes.Add("stale-bytes-in-a-snapshot-" + size, bits,
                    CreateLine(bits, "") + WriteLine(bits, {"write -P 3 $((10*C)) $((2*C))"}) +
                        "qemu-img snapshot -c one i.qcow2\n",
                    cut_disk);
    both.disk_bytes = stale.disk_bytes;
  }
  ImageRecipe& subclusters = recipes.Add(
      "stale-subclusters-behind-the-end", 14,
      CreateLine(14, "extended_l2=on") + WriteLine(14, {"write -P 3 $((10*C+4096)) 8192"}),
      cut_disk);
  subclusters.disk_bytes -= 3 * (std::uint64_t{1} << 14) / 2;
  ImageRecipe& packed =
      recipes.Add("compressed-across-the-end", 14,
                  CreateLine(14, "") + WriteLine(14, {"write -c -P 3 $((10*C)) $C"}), cut_disk);
  packed.disk_bytes = subclusters.disk_bytes;
}

void AddHeaders(Recipes& recipes) {
  for (const unsigned bits : {10U, 12U, 16U}) {
    recipes.AddSome(
        absl::StrCat("unknown-extension-", 1U << bits), bits, "",
        [bits](SparseFile& image) { AddExtension(image, 0x12345678, bits == 10 ? 200 : 700); });
  }
  recipes.AddSome("two-unknown-extensions-4k", 12, "", [](SparseFile& image) {
    AddExtension(image, 0x12345678, 13);
    AddExtension(image, 0x23456789, 400);
  });
  recipes.AddSome("unknown-autoclear-bits", 12, "", [](SparseFile& image) {
    qcow2::Header header = HeaderOf(image);
    header.autoclear_features |= std::uint64_t{1} << 40;
    StoreHeader(image, header);
  });
  recipes.AddSome("unknown-compatible-bits", 12, "", [](SparseFile& image) {
    qcow2::Header header = HeaderOf(image);
    header.compatible_features |= std::uint64_t{1} << 50;
    StoreHeader(image, header);
  });
}

void AddOnDisks(Recipes& recipes) {
  for (const unsigned bits : {9U, 12U, 16U}) {
    recipes.AddSome(absl::StrCat("on-a-disk-", 1U << bits), bits, "").disk_clusters_behind = 200;
  }
  recipes.AddSome("on-a-full-disk-4k", 12, "").disk_clusters_behind = 1;
  recipes.AddSome("on-a-disk-v2", 12, "compat=0.10").disk_clusters_behind = 200;
  recipes.AddSome("on-a-disk-extended-l2", 14, "extended_l2=on").disk_clusters_behind = 200;
  recipes
      .Add("on-a-disk-snapshot", 12,
           CreateLine(12, "") + WriteLine(12, kSomeData) + "qemu-img snapshot -c one i.qcow2\n")
      .disk_clusters_behind = 200;
}

void AddRaw(Recipes& recipes) {
  ImageRecipe& raw =
      recipes.Add("raw", 12,
                  "truncate -s 48k i.raw\n" +
                      WriteLine(12, {"write -P 1 0 $C", "write -P 3 40k 8k"}, "-f raw i.raw"));
  raw.format = FormatId::kRaw;
}

}  // namespace

const std::vector<ImageRecipe>& AllImages() {
  static const std::vector<ImageRecipe> all = [] {
    Recipes recipes;
    AddPlain(recipes);
    AddWithFiles(recipes);
    AddWithTables(recipes);
    AddZeroClusters(recipes);
    AddDamaged(recipes);
    AddHeaders(recipes);
    AddOnDisks(recipes);
    AddRaw(recipes);
    return std::move(recipes.list);
  }();
  return all;
}

std::expected<ImageFiles, std::string> Make(const ImageRecipe& recipe) {
  const ScratchFolder folder;
  std::string output;
  if (RunShell(absl::StrCat("set -e; cd '", folder.path(), "'\n", recipe.script), output) != 0) {
    return std::unexpected(absl::StrCat(recipe.name, " cannot be made: ", output));
  }
  ImageFiles files{.format = recipe.format};
  auto image = folder.Load(recipe.format == FormatId::kRaw ? "i.raw" : "i.qcow2");
  if (!image) return std::unexpected(absl::StrCat(recipe.name, " is not there: ", output));
  files.image = *std::move(image);
  files.data_file = folder.Load("d.raw");
  files.backing = folder.Load("b.raw");
  if (recipe.patch) recipe.patch(files.image);
  if (recipe.disk_clusters_behind != 0) {
    files.fixed_length = true;
    const std::uint64_t end = ClustersOf(files.image) << recipe.cluster_bits;
    const std::vector<std::byte> garbage(recipe.disk_clusters_behind << recipe.cluster_bits,
                                         std::byte{0xEE});
    files.image.Write(end, garbage);
  }
  return files;
}

}  // namespace instar::crash
