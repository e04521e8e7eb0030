// Evaluates the kernels of unrolled layers that are too large to compile: tables read from a file, one after
// another. hbnn_hw/verify/table_program.py writes the file and says what a table is.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "svdpi.h"

namespace {

constexpr size_t constants = 2;  // nets 0 and 1
constexpr size_t table_inputs = 6;
constexpr size_t word_bits = 32;

class TableProgram {
 public:
  explicit TableProgram(const char* path) : path_(path), file_(std::fopen(path, "rb")) {
    if (!file_) fail();
    const auto counts = read<uint64_t>(3);
    n_entering_ = counts[0];
    tables_ = read<uint64_t>(counts[1]);
    inputs_ = read<uint32_t>(counts[1] * table_inputs);
    leaving_ = read<uint32_t>(counts[2]);
    std::fclose(file_);
    nets_.resize(constants + n_entering_ + tables_.size());
    nets_[1] = 1;
    entered_.resize((n_entering_ + word_bits - 1) / word_bits);
    left_.resize((leaving_.size() + word_bits - 1) / word_bits);
  }

  void evaluate(const svBitVecVal* entering, svBitVecVal* leaving) {
    // Verilator calls at every clock; the layer before may take thousands of them for a vector.
    if (!has_run_ || !std::equal(entered_.begin(), entered_.end(), entering)) {
      std::copy_n(entering, entered_.size(), entered_.begin());
      run();
      has_run_ = true;
    }
    std::copy(left_.begin(), left_.end(), leaving);
  }

 private:
  void run() {
    uint8_t* net = nets_.data() + constants;
    for (size_t at = 0; at < n_entering_; ++at) *net++ = entered_[at / word_bits] >> at % word_bits & 1;
    const uint32_t* in = inputs_.data();
    for (const uint64_t table : tables_) {
      const unsigned address = nets_[in[0]] | nets_[in[1]] << 1 | nets_[in[2]] << 2 | nets_[in[3]] << 3 |
                               nets_[in[4]] << 4 | nets_[in[5]] << 5;
      *net++ = table >> address & 1;
      in += table_inputs;
    }
    std::fill(left_.begin(), left_.end(), 0);
    for (size_t at = 0; at < leaving_.size(); ++at) {
      left_[at / word_bits] |= svBitVecVal{nets_[leaving_[at]]} << at % word_bits;
    }
  }

  template <typename Item>
  std::vector<Item> read(size_t count) {
    std::vector<Item> items(count);
    if (std::fread(items.data(), sizeof(Item), count, file_) != count) fail();
    return items;
  }

  [[noreturn]] void fail() {
    std::fprintf(stderr, "%s: not a whole table program\n", path_.c_str());
    std::exit(2);
  }

  std::string path_;
  std::FILE* file_;
  size_t n_entering_ = 0;
  std::vector<uint64_t> tables_;
  std::vector<uint32_t> inputs_;
  std::vector<uint32_t> leaving_;
  std::vector<uint8_t> nets_;  // one bit each
  std::vector<svBitVecVal> entered_;
  std::vector<svBitVecVal> left_;
  bool has_run_ = false;
};

}  // namespace

// One per instance, for as long as the simulation runs.
extern "C" void* load_table_program(const char* path) { return new TableProgram(path); }

extern "C" void evaluate_tables(void* tables, const svBitVecVal* entering, svBitVecVal* leaving) {
  static_cast<TableProgram*>(tables)->evaluate(entering, leaving);
}
