// Streams beats through an accelerator that Verilator compiled, and records every transfer; it judges nothing.
//
//   compiled_bench BEATS OUTPUTS CYCLES SEED RECORD [WAVES]
//
// BEATS    input beats, 32-bit words, least significant first
// OUTPUTS  output beats to wait for
// CYCLES   when to give up
// SEED     of the random stalls on both sides; "-" for none
// RECORD   text to write: "i CYCLE" for every input beat, "o CYCLE TLAST HEX" for every output beat,
//          "v CYCLE" where a refused output beat changed
// WAVES    VCD file
//
// Cycles count from the release of the reset.

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vaccelerator.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

constexpr int reset_cycles = 3;
constexpr int cycles_after_the_last_beat = 64;

using Word = uint32_t;

template <typename Port>
constexpr size_t words_of(const Port&) {
  return (sizeof(Port) + sizeof(Word) - 1) / sizeof(Word);
}

// Go and stall in runs of random length, so that bursts and long pauses both occur.
class Pattern {
 public:
  explicit Pattern(const char* seed, uint64_t salt) : stalls_(std::strcmp(seed, "-") != 0) {
    state_ = stalls_ ? std::strtoull(seed, nullptr, 10) * 2 + salt : 0;
  }

  bool next() {
    if (!stalls_) return true;
    if (left_ == 0) {
      static const int lengths[] = {1, 1, 1, 2, 3, 8, 20};
      go_ = random() % 10 < 6;
      left_ = lengths[random() % 7];
    }
    --left_;
    return go_;
  }

 private:
  uint64_t random() {  // SplitMix64, Steele, Lea and Flood 2014
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  bool stalls_;
  bool go_ = true;
  int left_ = 0;
  uint64_t state_;
};

std::vector<Word> read_words(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (!file) {
    std::perror(path);
    std::exit(2);
  }
  std::vector<Word> words;
  Word word;
  while (std::fread(&word, sizeof word, 1, file) == 1) words.push_back(word);
  std::fclose(file);
  return words;
}

class Bench {
 public:
  Bench(const std::vector<Word>& beats, const char* seed, std::FILE* record, const char* waves)
      : beats_(beats), record_(record), send_(seed, 0), take_(seed, 1) {
#if VM_TRACE
    if (waves) {
      context_.traceEverOn(true);
      trace_.reset(new VerilatedVcdC);
      top_->trace(trace_.get(), 99);
      trace_->open(waves);
    }
#else
    (void)waves;
#endif
    width_ = words_of(top_->s_axis_tdata);
    total_ = beats_.size() / width_;
    held_.resize(words_of(top_->m_axis_tdata));
  }

  ~Bench() {
    top_->final();
#if VM_TRACE
    if (trace_) trace_->close();
#endif
  }

  void run(uint64_t outputs, uint64_t cycles) {
    reset();
    uint64_t cycle = 0;
    while (received_ < outputs && cycle < cycles) step(cycle++, true);
    for (int more = 0; more < cycles_after_the_last_beat; ++more) step(cycle++, false);
  }

 private:
  // What has no initial value starts with random contents, so that no garbage passes for a zero.
  static VerilatedContext* randomized(VerilatedContext& context) {
    context.randReset(2);
    context.randSeed(1);
    return &context;
  }

  void reset() {
    auto& t = *top_;
    t.s_axis_tvalid = t.s_axis_tlast = t.m_axis_tready = 0;
    t.s_axi_control_awaddr = t.s_axi_control_awprot = t.s_axi_control_awvalid = 0;
    t.s_axi_control_wdata = t.s_axi_control_wstrb = t.s_axi_control_wvalid = t.s_axi_control_bready = 0;
    t.s_axi_control_araddr = t.s_axi_control_arprot = t.s_axi_control_arvalid = t.s_axi_control_rready = 0;
    t.aresetn = 0;
    for (int at = 0; at < reset_cycles; ++at) clock();
    t.aresetn = 1;
  }

  // What the rising edge will see is settled at its call; the falling edge follows.
  void clock() {
    settle();
    top_->aclk = 1;
    settle();
    top_->aclk = 0;
  }

  void settle() {
    top_->eval();
#if VM_TRACE
    if (trace_) trace_->dump(context_.time());
#endif
    context_.timeInc(5);
  }

  void step(uint64_t cycle, bool patterned) {
    auto& t = *top_;
    offering_ = offering_ || (sent_ < total_ && patterned && send_.next());
    t.s_axis_tvalid = offering_;
    if (offering_) std::memcpy(&t.s_axis_tdata, &beats_[sent_ * width_], sizeof t.s_axis_tdata);
    const bool take = patterned ? take_.next() : true;
    t.m_axis_tready = take;
    t.eval();
    if (offering_ && t.s_axis_tready) {
      std::fprintf(record_, "i %" PRIu64 "\n", cycle);
      ++sent_;
      offering_ = false;
    }
    look_at_output(cycle, take);
    clock();
  }

  void look_at_output(uint64_t cycle, bool take) {
    const auto& t = *top_;
    std::vector<Word> shown(held_.size());
    std::memcpy(shown.data(), &t.m_axis_tdata, sizeof t.m_axis_tdata);
    const bool last = t.m_axis_tlast;
    if (holds_ && (!t.m_axis_tvalid || shown != held_ || last != held_last_)) {
      std::fprintf(record_, "v %" PRIu64 "\n", cycle);
    }
    holds_ = t.m_axis_tvalid && !take;
    held_ = shown;
    held_last_ = last;
    if (!t.m_axis_tvalid || !take) return;
    std::fprintf(record_, "o %" PRIu64 " %d ", cycle, last);
    for (size_t at = shown.size(); at-- > 0;) std::fprintf(record_, "%08" PRIx32, shown[at]);
    std::fputc('\n', record_);
    ++received_;
  }

  VerilatedContext context_;
#if VM_TRACE
  std::unique_ptr<VerilatedVcdC> trace_;
#endif
  std::unique_ptr<Vaccelerator> top_{new Vaccelerator(randomized(context_))};
  const std::vector<Word>& beats_;
  std::FILE* record_;
  Pattern send_;
  Pattern take_;
  size_t width_ = 0;
  size_t total_ = 0;
  size_t sent_ = 0;
  uint64_t received_ = 0;
  bool offering_ = false;
  bool holds_ = false;
  bool held_last_ = false;
  std::vector<Word> held_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 6 || count > 7) {
    std::fprintf(stderr, "usage: %s BEATS OUTPUTS CYCLES SEED RECORD [WAVES]\n", arguments[0]);
    return 2;
  }
  const std::vector<Word> beats = read_words(arguments[1]);
  std::FILE* record = std::fopen(arguments[5], "w");
  if (!record) {
    std::perror(arguments[5]);
    return 2;
  }
  Bench bench(beats, arguments[4], record, count == 7 ? arguments[6] : nullptr);
  bench.run(std::strtoull(arguments[2], nullptr, 10), std::strtoull(arguments[3], nullptr, 10));
  std::fclose(record);
  return 0;
}
