/** The names under which a dashboard's queries are asked for on the live stream. */
import { follows, type Span } from './span.ts';
import type { Chosen, Dashboard, Panel } from './types.ts';

/** A span that stands still is asked again this seldom: late rows only. */
const STILL_S = 30;
/** What offers a variable's values changes seldom. */
const OFFERED_S = 10;

export interface View {
	chosen: Chosen;
	span: Span;
	/** Seconds between two looks; 0 is live. */
	refresh: number;
}

function named(path: string, params: readonly (readonly [string, string])[], pace: number): string {
	const query = params.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
	return `${path}${query ? `?${query}` : ''}${pace ? `#${pace}s` : ''}`;
}

/** A panel's tile; null while a variable that it needs holds nothing yet. */
export function tileOf(panel: Panel, { chosen, span, refresh }: View, waiting: ReadonlySet<string> = new Set()): string | null {
	const params: (readonly [string, string])[] = [];
	for (const [name, value] of Object.entries(panel.params)) {
		const variable = value.startsWith('$') ? value.slice(1) : '';
		if (waiting.has(variable)) return null;
		params.push([name, variable ? (chosen[variable] ?? '') : value]);
	}
	if (panel.spans.includes('from')) params.push(['from', span.start]);
	if (panel.spans.includes('to')) params.push(['to', span.end]);
	const still = panel.spans.length > 0 && !follows(span);
	return named(panel.tile, params, still ? Math.max(refresh, STILL_S) : refresh);
}

export function offerTile(path: string): string {
	return named(path, [], OFFERED_S);
}

/** Every tile that a dashboard shows, each once. */
export function tilesOf(dashboard: Dashboard, view: View, waiting: ReadonlySet<string>): string[] {
	const offers = dashboard.variables.filter((one) => one.tile).map((one) => offerTile(one.tile));
	const panels = dashboard.rows.flatMap((row) => row.panels).map((panel) => tileOf(panel, view, waiting));
	return [...new Set([...offers, ...panels.filter((tile) => tile !== null)])];
}

/** Variables that hold nothing and may not: what they offer has not come yet. */
export function waitingFor(dashboard: Dashboard, chosen: Chosen): Set<string> {
	const open = dashboard.variables.filter((one) => one.kind === 'query' && !one.all && !chosen[one.name]);
	return new Set(open.map((one) => one.name));
}
