// Declarations of what the tests' code uses of the vendor's header: libclang reads them in milliseconds.
#ifndef HBNN_TEST_AP_INT_H
#define HBNN_TEST_AP_INT_H

#ifndef AP_INT_MAX_W
#define AP_INT_MAX_W 1024
#endif

struct ap_bits {
  ap_bits &operator=(const ap_bits &);
  template <class T>
  ap_bits &operator=(const T &);
  operator unsigned long long() const;
};

template <int W>
struct ap_base {
  ap_bits range(int high, int low) const;
  ap_bits operator[](int index) const;
  ap_base();
  template <class T>
  ap_base(const T &value);
  ap_base(const char *digits, int base);
  operator unsigned long long() const;
  unsigned to_uint() const;
  const char *to_string() const;
  ap_base &operator>>=(int bits);
  template <class T>
  ap_base &operator+=(const T &value);
  template <class T>
  ap_base &operator=(const T &value);
};

template <int W>
struct ap_uint : ap_base<W> {
  using ap_base<W>::ap_base;
  ap_uint();
  ap_uint(const ap_uint &);
  ap_uint &operator=(const ap_uint &);
  template <class T>
  ap_uint &operator=(const T &value);
};

template <int W>
struct ap_int : ap_base<W> {
  using ap_base<W>::ap_base;
  ap_int();
  ap_int(const ap_int &);
  ap_int &operator=(const ap_int &);
};

#endif
