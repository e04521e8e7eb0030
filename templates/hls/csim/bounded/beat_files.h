// SPDX-License-Identifier: Apache-2.0
// C simulation only: beats as hexadecimal lines, as the delivered test bench reads and writes them, and the outcome
// of a simulation as JSON.
#ifndef HBNN_BEAT_FILES_H
#define HBNN_BEAT_FILES_H

#include "hls_stream.h"
#include <ap_int.h>

#include <fstream>
#include <string>
#include <vector>

namespace hbnn_sim {

template <int BITS>
ap_uint<BITS> beat_of(const std::string &line) {
  ap_uint<BITS> beat = 0;
  int at = 0;
  // Eight digits at a time, from the least significant end.
  for (int end = int(line.size()); end > 0; end -= 8, at += 32) {
    const int begin = end > 8 ? end - 8 : 0;
    const int high = at + 31 < BITS - 1 ? at + 31 : BITS - 1;
    beat.range(high, at) = unsigned(std::strtoul(line.substr(begin, end - begin).c_str(), 0, 16));
  }
  return beat;
}

template <int BITS>
std::string hex(const ap_uint<BITS> &beat) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (int at = (BITS - 1) / 4 * 4; at >= 0; at -= 4) {
    text += digits[ap_uint<4>(beat >> at).to_uint()];
  }
  return text;
}

// All beats that left the accelerator: data, TLAST, clock.
template <int BITS, class Beat>
void write_beats(const std::string &path, const hls::stream<Beat> &sink) {
  std::ofstream file(path.c_str());
  for (Count i = 0; i < sink.delivered(); ++i) {
    file << hex<BITS>(sink.left(i).data) << " " << sink.left(i).last << " " << sink.left_since(i) << "\n";
  }
}

// Names are C++ identifiers, so nothing has to be escaped.
inline void write_outcome(const std::string &path, const std::vector<Channel *> &channels) {
  static const char *const waits[] = {"", "empty", "full"};
  std::ofstream file(path.c_str());
  file << "{\"switches\": " << network().switches() << ",\n \"processes\": [";
  for (std::size_t i = 0; i < network().processes().size(); ++i) {
    const Process &process = *network().processes()[i];
    const Channel *channel = process.blocked_channel();
    file << (i == 0 ? "\n" : ",\n") << "  {\"name\": \"" << process.name() << "\", \"finished\": "
         << (process.finished() ? "true" : "false") << ", \"wait\": \"" << waits[process.blocked_why()]
         << "\", \"stream\": \"" << (channel == 0 ? "" : channel->name()) << "\", \"clock\": " << process.clock()
         << ", \"steps\": " << process.steps() << ", \"waited_empty\": " << process.waited(EMPTY)
         << ", \"waited_full\": " << process.waited(FULL) << "}";
  }
  file << "],\n \"streams\": [";
  for (std::size_t i = 0; i < channels.size(); ++i) {
    Channel &channel = *channels[i];
    Network::settle(channel);
    file << (i == 0 ? "\n" : ",\n") << "  {\"name\": \"" << channel.name() << "\", \"depth\": " << channel.depth()
         << ", \"peak\": " << channel.peak() << ", \"delivered\": " << channel.delivered() << ", \"taken\": "
         << channel.taken() << ", \"waited_empty\": " << channel.waited(EMPTY) << ", \"waited_full\": "
         << channel.waited(FULL) << "}";
  }
  file << "]}\n";
}

}  // namespace hbnn_sim

#endif
