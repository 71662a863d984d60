// Workloads W1, W4, W5 and W6 on gVisor's netstack: TCP between two stacks in one process, joined by its own pipe; IP packets of 1,500
// bytes, checksums made and verified in software, reno, SACK, buffers of 256 KiB. One thread runs Go code (GOMAXPROCS=1); the
// collector's other threads share its core by affinity. Prints work per second of CPU time, or the bytes of an idle end.
//
//	gvisor_tcp bulk|conn|rr|idle CONNECTIONS SECONDS
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	chunk    = 128 * 1024
	buffer   = 256 * 1024
	underWay = 16
	inFlight = 64
)

var server = tcpip.FullAddress{NIC: 1, Addr: "\x0a\x00\x00\x02", Port: 5001}

func must(err interface{}) {
	switch e := err.(type) {
	case nil:
	case error:
		panic(e)
	case tcpip.Error:
		panic(e.String())
	}
}

func host(link stack.LinkEndpoint, addr tcpip.Address) *stack.Stack {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := s.CreateNIC(1, link); err != nil {
		panic(err.String())
	}
	address := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: addr.WithPrefix()}
	if err := s.AddProtocolAddress(1, address, stack.AddressProperties{}); err != nil {
		panic(err.String())
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	sack := tcpip.TCPSACKEnabled(true)
	reno := tcpip.CongestionControlOption("reno")
	wait := tcpip.TCPTimeWaitTimeoutOption(time.Millisecond)
	snd := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: buffer, Max: buffer}
	rcv := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: buffer, Max: buffer}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &reno, &wait, &snd, &rcv} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			panic(err.String())
		}
	}
	return s
}

func cpu() float64 {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)*1e-6
}

// Bytes of heap and stacks in use.
func memory() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// The connections of `n` clients, and at the other end what `serve` does with each.
func connect(a *stack.Stack, n int) []*gonet.TCPConn {
	conns := make([]*gonet.TCPConn, n)
	for i := range conns {
		c, err := gonet.DialTCP(a, server, ipv4.ProtocolNumber)
		must(err)
		conns[i] = c
	}
	return conns
}

func main() {
	runtime.GOMAXPROCS(1)
	what := os.Args[1]
	count, _ := strconv.Atoi(os.Args[2])
	seconds, _ := strconv.ParseFloat(os.Args[3], 64)
	la, lb := pipe.New("\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\x00\x02", 1500)
	a, b := host(la, "\x0a\x00\x00\x01"), host(lb, "\x0a\x00\x00\x02")
	l, err := gonet.ListenTCP(b, server, ipv4.ProtocolNumber)
	must(err)
	var got float64
	var held []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			switch what {
			case "conn":
				c.Close()
			case "idle":
				held = append(held, c)
			case "rr":
				go func() {
					buf := make([]byte, 64)
					for {
						if n, err := c.Read(buf); err != nil || n != 64 {
							return
						}
						c.Write(buf)
					}
				}()
			default:
				go func() {
					buf := make([]byte, chunk)
					for {
						n, err := c.Read(buf)
						if err != nil {
							return
						}
						got += float64(n) * 8e-9
					}
				}()
			}
		}
	}()
	if what == "idle" {
		before := memory()
		conns := connect(a, count)
		for len(held) < count {
			time.Sleep(time.Millisecond)
		}
		fmt.Printf("{\"value\":%.0f}\n", (memory()-before)/float64(2*count))
		runtime.KeepAlive(conns)
		return
	}
	out := make([]byte, chunk)
	var step func() float64
	switch what {
	case "conn":
		step = func() float64 {
			var wg sync.WaitGroup
			for i := 0; i < underWay; i++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					c, err := gonet.DialTCP(a, server, ipv4.ProtocolNumber)
					must(err)
					c.Close()
				}()
			}
			wg.Wait()
			return underWay
		}
	case "rr":
		conns := connect(a, count)
		at := 0
		step = func() float64 {
			for i := 0; i < inFlight; i++ {
				conns[(at+i)%count].Write(out[:64])
			}
			for i := 0; i < inFlight; i++ {
				if n, err := conns[(at+i)%count].Read(out[:64]); err != nil || n != 64 {
					panic("echo")
				}
			}
			at = (at + inFlight) % count
			return inFlight
		}
	default:
		conn := connect(a, 1)[0]
		step = func() float64 {
			before := got
			_, err := conn.Write(out)
			must(err)
			return got - before
		}
	}
	work := func(s float64) float64 {
		t0 := cpu()
		t, n := t0, 0.0
		for t-t0 < s {
			for i := 0; i < 16; i++ {
				n += step()
			}
			t = cpu()
		}
		return n / (t - t0)
	}
	work(0.3)
	fmt.Printf("{\"value\":%.6f}\n", work(seconds))
}
