// Command reads and writes through Penstock's front as Grafana's data source does: clickhouse-go
// over HTTP with gzip. It says "ok" or what went wrong.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func run(address, key string) error {
	connection, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{address},
		Protocol:    clickhouse.HTTP,
		Auth:        clickhouse.Auth{Database: "main", Username: "grafana", Password: key},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionGZIP},
		Settings:    clickhouse.Settings{"max_execution_time": 60},
		DialTimeout: 10 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	ctx := context.Background()
	if err := connection.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	var sum uint64
	if err := connection.QueryRow(ctx, "SELECT sum(number) FROM numbers(1000000)").Scan(&sum); err != nil {
		return fmt.Errorf("sum: %w", err)
	}
	if sum != 499999500000 {
		return fmt.Errorf("sum is %d", sum)
	}
	rows, err := connection.Query(ctx, "SELECT number, toString(number), now64(3), toNullable(number) FROM numbers(200000)")
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	count := 0
	for rows.Next() {
		var (
			number   uint64
			text     string
			at       time.Time
			nullable *uint64
		)
		if err := rows.Scan(&number, &text, &at, &nullable); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		count++
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	if count != 200000 {
		return fmt.Errorf("%d rows of 200000", count)
	}
	if err := connection.Exec(ctx, "CREATE TABLE IF NOT EXISTS go (n UInt64, s String) ENGINE = MergeTree ORDER BY n"); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	batch, err := connection.PrepareBatch(ctx, "INSERT INTO go")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	for n := uint64(0); n < 1000; n++ {
		if err := batch.Append(n, fmt.Sprint("row ", n)); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	var stored uint64
	if err := connection.QueryRow(ctx, "SELECT count() FROM go WHERE s = concat('row ', toString(n))").Scan(&stored); err != nil {
		return fmt.Errorf("count: %w", err)
	}
	if stored != 1000 {
		return fmt.Errorf("%d rows stored of 1000", stored)
	}
	if err := connection.Exec(ctx, "SELEC 1"); err == nil {
		return fmt.Errorf("bad SQL was taken")
	}
	return nil
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ok")
}
