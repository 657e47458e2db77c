// cxx.cpp: the same from C++, with what C++ is good at
//
//	pagerctl run -- ./cxx

#include <cstdio>
#include <memory>
#include <pagerd.h>
#include <system_error>

namespace {

struct closer {
	void operator()(pagerd *p) const
	{
		pagerd_close(p);
	}
};

using handle = std::unique_ptr<pagerd, closer>;

void
check(int ret, const char *what)
{
	if (ret < 0)
		throw std::system_error(-ret, std::generic_category(), what);
}

handle
open()
{
	pagerd *p = nullptr;

	check(pagerd_open(nullptr, &p), "open");
	return handle(p);
}

// A region of this process's own, as long as the object lives.
class region {
      public:
	region(const handle &h, std::size_t bytes) : p(h.get()), len(bytes)
	{
		check(pagerd_map(p, nullptr, len, nullptr, 0, 0, &addr), "map");
	}
	~region()
	{
		pagerd_unmap(p, addr, len);
	}
	region(const region &) = delete;
	region &operator=(const region &) = delete;

	void advise(enum pagerd_advise advice)
	{
		check(pagerd_advise(p, addr, len, advice), "advise");
	}
	char *data() const
	{
		return static_cast<char *>(addr);
	}

      private:
	pagerd *p;
	std::size_t len;
	void *addr = nullptr;
};

} // namespace

int
main()
try {
	const handle p = open();
	region r(p, 16 * PAGERD_PAGE);

	r.data()[0] = 'x';
	r.advise(PAGERD_COLD);
	std::printf("%p holds %c\n", static_cast<void *>(r.data()),
	    r.data()[0]);
	return 0;
} catch (const std::system_error &e) {
	std::fprintf(stderr, "cxx: %s\n", e.what());
	return 1;
}
