/** The way of one batch from its arrival to the screen, from times that were measured. */
import type { FlowGraph, Passage, Tile } from '../live/types.ts';
import { downstream } from './graph.ts';

export interface Hop {
	name: string;
	/** What happens in it. */
	said: string;
	ms: number;
	/** Since the arrival, at the end of the hop. */
	at: number;
}

/** What the browser knows of a tile's answer that was asked after the batch was closed. */
export interface Shown {
	/** The platform's clock, epoch ms: asked, answered, drawn. */
	asked: number;
	answered: number;
	drawn: number;
}

/** A point in time that both clocks know: the platform's epoch ms at the browser's monotonic `here`. */
export interface Sync {
	server: number;
	here: number;
}

/** Of a request at `sent` that came back at `back`, with the platform's clock in it: half the way each. */
export function syncOf(server: number, sent: number, back: number): Sync {
	return { server, here: (sent + back) / 2 };
}

/** The platform's clock at a time of the browser's. */
export function serverAt(here: number, sync: Sync): number {
	return sync.server + (here - sync.here);
}

/** Whether an answer was asked for after the batch could be: then it has its rows. */
export function holds(tile: Tile | undefined, passage: Passage): tile is Tile {
	return tile !== undefined && tile.at - tile.took >= passage.closed_ms;
}

export function hopsOf(passage: Passage, shown: Shown | null): Hop[] {
	const times: [string, string, number][] = [
		['batch', 'on the disk, it waits for its batch', passage.cut_ms],
		['bronze, silver, gold', 'written down, then one insert: the views carry it on', passage.inserted_ms],
		['counted', 'seen to be whole in bronze and silver', passage.counted_ms],
		['closed', 'noted in the ledger: it can be asked for', passage.closed_ms]
	];
	if (shown) {
		times.push(
			['asked', 'until the live page asks again', shown.asked],
			['answered', 'the query on gold', shown.answered],
			['on screen', 'sent to this tab and drawn', shown.drawn]
		);
	}
	let before = passage.received_ms;
	return times.map(([name, said, time]) => {
		const ms = Math.max(0, Math.round(time - before));
		before = Math.max(before, time);
		return { name, said, ms, at: Math.round(before - passage.received_ms) };
	});
}

/** The tile in which rows of a source are seen: one that is watched, else an endpoint that needs nothing. */
export function tileFor(source: string, graph: FlowGraph, watched: readonly string[], open: readonly string[]): string | null {
	const reached = downstream(source, graph.wires);
	const reads = (tile: string) => reached.has(idOfTile(tile));
	return watched.find(reads) ?? open.find(reads) ?? null;
}

/** `homes/city_heartbeat?a=1` → `homes.serve.city_heartbeat`. */
export function idOfTile(tile: string): string {
	const [path = ''] = tile.split('?');
	return path.replace('/', '.serve.');
}
