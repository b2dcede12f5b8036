package match

// Bits is a set of condition indexes. The zero value is empty. The first 64
// conditions, more than most configurations have, take no memory of their own.
type Bits struct {
	first uint64
	more  []uint64
}

// Set adds i.
func (b *Bits) Set(i Index) {
	if i < 64 {
		b.first |= 1 << i
		return
	}
	word := int(i)/64 - 1
	for len(b.more) <= word {
		b.more = append(b.more, 0)
	}
	b.more[word] |= 1 << (i % 64)
}

// Has says whether i is in the set.
func (b *Bits) Has(i Index) bool {
	if i < 64 {
		return b.first&(1<<i) != 0
	}
	word := int(i)/64 - 1
	return word < len(b.more) && b.more[word]&(1<<(i%64)) != 0
}

// Merge adds all of other, which is not changed and not referred to later.
func (b *Bits) Merge(other *Bits) {
	b.first |= other.first
	for len(b.more) < len(other.more) {
		b.more = append(b.more, 0)
	}
	for i, w := range other.more {
		b.more[i] |= w
	}
}
