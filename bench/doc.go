// Bench measures Holdfast against a floor and against moto's server, in one
// run, interleaved, on the same processors. Start with run in main.go;
// docs/performance.md has the method and the numbers.
//
//	go run ./bench                     # everything; minutes
//	go run ./bench -only requests -workloads encrypt -duration 1s -rounds 3
//	go run ./bench -only hsm           # signatures with keys in SoftHSM 2
//	go run ./bench -json result.json -profile profiles
//
// The servers run on one processor and the load on another (-server-cpu,
// -load-cpu), each with GOMAXPROCS=1 and, where the machine allows it, with
// real-time priority, without which a neighbour's work is measured too. Only
// the ratios of one run mean something: the absolute times move with whatever
// else the host does.
package main
