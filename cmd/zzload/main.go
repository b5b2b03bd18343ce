package main

import (
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

func cpu(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(b[strings.LastIndex(string(b), ")")+2:]))
	u, _ := strconv.Atoi(f[11])
	s, _ := strconv.Atoi(f[12])
	return float64(u+s) / 100
}
func rss(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmRSS") {
			return l
		}
	}
	return ""
}

func main() {
	addr := flag.String("addr", os.Getenv("HOLDFAST_KEYLESS_ADDR"), "")
	ski := flag.String("ski", "", "")
	op := flag.Int("op", 0x15, "")
	conns := flag.Int("c", 1, "")
	depth := flag.Int("d", 128, "")
	dur := flag.Duration("t", 5*time.Second, "")
	pid := flag.Int("pid", 0, "")
	size := flag.Int("size", 32, "")
	flag.Parse()
	id, _ := hex.DecodeString(*ski)
	auth, _ := json.Marshal(map[string]string{"access_key_id": os.Getenv("HOLDFAST_ACCESS_KEY_ID"), "secret_access_key": os.Getenv("HOLDFAST_SECRET_ACCESS_KEY")})
	var n, bad atomic.Int64
	var mu sync.Mutex
	var lat []time.Duration
	var wg sync.WaitGroup
	stop := time.Now().Add(*dur)
	c0 := cpu(*pid)
	start := time.Now()
	for range *conns {
		wg.Go(func() {
			c, err := tls.Dial("tcp", *addr, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				panic(err)
			}
			read := func() (uint32, wire.Operation) {
				head := make([]byte, 8)
				if _, err := io.ReadFull(c, head); err != nil {
					panic(err)
				}
				h, _ := wire.ParseHeader(head)
				body := make([]byte, h.Length)
				io.ReadFull(c, body)
				var o wire.Operation
				o.Parse(body)
				return h.ID, o
			}
			b, _ := (&wire.Operation{Opcode: wire.OpCustom, Function: []byte("holdfast.authenticate"), Payload: auth}).Append(nil, 0)
			c.Write(b)
			if _, o := read(); o.Opcode != wire.OpResponse {
				panic(fmt.Sprint(o.Opcode, o.Payload))
			}
			sent := make([]time.Time, *depth)
			tokens := make(chan int, *depth)
			for i := range *depth {
				tokens <- i
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					i, o := read()
					if i == 1<<30 {
						return
					}
					if o.Opcode != wire.OpResponse {
						bad.Add(1)
					}
					d := time.Since(sent[i])
					n.Add(1)
					if n.Load()%16 == 0 {
						mu.Lock()
						lat = append(lat, d)
						mu.Unlock()
					}
					tokens <- int(i)
				}
			}()
			var buf []byte
			for time.Now().Before(stop) {
				i := <-tokens
				buf = buf[:0]
				for {
					sent[i] = time.Now()
					buf, _ = (&wire.Operation{Opcode: wire.Opcode(*op), SKI: id, Payload: make([]byte, *size)}).Append(buf, uint32(i))
					if len(buf) > 15000 {
						break
					}
					select {
					case i = <-tokens:
						continue
					default:
					}
					break
				}
				c.Write(buf)
			}
			for range *depth - 0 {
				<-tokens
			}
			b, _ = (&wire.Operation{Opcode: wire.OpPing}).Append(nil, 1<<30)
			c.Write(b)
			<-done
		})
	}
	time.Sleep(*dur / 2)
	mid := rss(*pid)
	wg.Wait()
	el := time.Since(start).Seconds()
	c := cpu(*pid) - c0
	sort.Slice(lat, func(i, j int) bool { return lat[i] < lat[j] })
	fmt.Printf("op %x c=%d d=%d: %.0f/s bad=%d server cpu %.1f us/op  p50 %v p99 %v  %s\n", *op, *conns, *depth, float64(n.Load())/el, bad.Load(), c/float64(n.Load())*1e6, lat[len(lat)/2], lat[len(lat)*99/100], mid)
}
