package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxMessage is far above what a collector hands on at once (gRPC receivers
// take 4 MiB by default), and bounds what a broken length asks for.
const maxMessage = 256 << 20

var (
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	gzipMagic = []byte{0x1f, 0x8b}
)

// errCutOff ends a recording in the middle of a message, as one ends that is
// still being written or whose collector was killed.
var errCutOff = errors.New("the last message is cut off")

// frames hands out the messages of one file. The file exporter writes JSON as
// lines; protobuf, and whatever it compresses, behind a length of four bytes,
// big-endian. With its gate exporter.file.nativeCompression the whole file is
// compressed instead.
type frames struct {
	r     *bufio.Reader
	zstd  *zstd.Decoder // nil until something is compressed
	lines bool
	buf   []byte // of the message handed out last
	count int    // of messages
	// unterminated says that the line handed out last has no end: it may be
	// whole (an editor took the newline) or cut off.
	unterminated bool
}

// newFrames finds out how r is framed. It does not close r.
func newFrames(r io.Reader) (*frames, error) {
	f := &frames{r: bufio.NewReaderSize(r, 1<<20)}
	head, err := f.r.Peek(len(zstdMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, zstdMagic):
		whole, err := zstd.NewReader(f.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMessage))
		if err != nil {
			return nil, fmt.Errorf("read zstd: %w", err)
		}
		f.zstd, f.r = whole, bufio.NewReaderSize(whole, 1<<20)
	case bytes.HasPrefix(head, gzipMagic):
		whole, err := gzip.NewReader(f.r)
		if err != nil {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
		f.r = bufio.NewReaderSize(whole, 1<<20)
	}
	first, err := f.r.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // next finds those again
		f.close()
		return nil, err
	}
	// A length of that first byte would be two gigabytes.
	f.lines = len(first) == 0 || first[0] == '{'
	return f, nil
}

func (f *frames) close() {
	if f.zstd != nil {
		f.zstd.Close()
	}
}

// next returns the next message, which is the caller's until the next call;
// io.EOF at the end, errCutOff instead if that is within a message.
func (f *frames) next() ([]byte, error) {
	read := f.message
	if f.lines {
		read = f.line
	}
	message, err := read()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errCutOff // the compressed stream's end is missing
	}
	if err == nil {
		f.count++
	}
	return message, err
}

func (f *frames) line() ([]byte, error) {
	for {
		line, err := f.wholeLine()
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return line, nil
		}
	}
}

// wholeLine reads a line of any length up to maxMessage.
func (f *frames) wholeLine() ([]byte, error) {
	f.buf = f.buf[:0]
	for {
		part, err := f.r.ReadSlice('\n')
		f.buf = append(f.buf, part...)
		switch {
		case len(f.buf) > maxMessage:
			return nil, fmt.Errorf("line %d is longer than %d bytes", f.count+1, maxMessage)
		case err == nil:
			return f.buf, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(f.buf) > 0:
			f.unterminated = true
			return f.buf, nil
		default:
			return nil, err
		}
	}
}

func (f *frames) message() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(f.r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxMessage {
		return nil, fmt.Errorf("message %d claims %d bytes, more than %d: this is no file of the file exporter", f.count+1, n, maxMessage)
	}
	// Not trusting the length: memory is taken as bytes come.
	var body bytes.Buffer
	if _, err := io.CopyN(&body, f.r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = errCutOff
		}
		return nil, err
	}
	if !bytes.HasPrefix(body.Bytes(), zstdMagic) {
		return body.Bytes(), nil
	}
	return f.decompress(body.Bytes())
}

func (f *frames) decompress(message []byte) ([]byte, error) {
	if f.zstd == nil {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMessage))
		if err != nil {
			return nil, fmt.Errorf("read zstd: %w", err)
		}
		f.zstd = decoder
	}
	plain, err := f.zstd.DecodeAll(message, f.buf[:0])
	if err != nil {
		return nil, fmt.Errorf("decompress message %d: %w", f.count+1, err)
	}
	f.buf = plain
	return plain, nil
}
