// Declarations of what the tests' code uses of the vendor's header.
#ifndef HBNN_TEST_HLS_STREAM_H
#define HBNN_TEST_HLS_STREAM_H

namespace hls {

template <class Word>
struct stream {
  stream();
  explicit stream(const char *name);
  bool empty() const;
  bool full() const;
  Word read();
  bool read_nb(Word &word);
  void write(const Word &word);
  void operator>>(Word &word);
  void operator<<(const Word &word);

 private:
  stream(const stream &);
};

}  // namespace hls

#endif
