/** What a dashboard's address says: `?var-home=7&from=now-15m&to=now&refresh=5`, so that it can be sent and gone back from. */
import { goto } from '$app/navigation';
import { page } from '$app/state';
import { live } from '../live/store.svelte.ts';
import { endsOf, type Span } from './span.ts';
import { offerTile } from './tile.ts';
import type { Chosen, Dashboard } from './types.ts';

type Query = Pick<URLSearchParams, 'get'>;

const MOST_REFRESH_S = 86_400;

/** What the address says of a dashboard's variables, else their defaults, else the first that is offered. */
export function chosenIn(dashboard: Dashboard, query: Query): Chosen {
	return Object.fromEntries(
		dashboard.variables.map((one) => {
			const offered = one.tile ? Object.values(live.tiles[offerTile(one.tile)]?.columns ?? {})[0]?.[0] : undefined;
			const fallback = one.default || (one.all ? '' : String(offered ?? ''));
			return [one.name, query.get(`var-${one.name}`) ?? fallback];
		})
	);
}

export function spanIn(dashboard: Dashboard, query: Query): Span {
	const asked = { start: query.get('from') ?? dashboard.start, end: query.get('to') ?? dashboard.end };
	return endsOf(asked, Date.now()) ? asked : { start: dashboard.start, end: dashboard.end };
}

export function refreshIn(dashboard: Dashboard, query: Query): number {
	const asked = Number(query.get('refresh') ?? dashboard.refresh_s);
	return asked >= 0 && asked <= MOST_REFRESH_S ? asked : dashboard.refresh_s;
}

/** Changes the address; what stands in `replace` does not become a step back. */
export function say(changes: Readonly<Record<string, string>>, replace = false): void {
	const query = new URLSearchParams(page.url.search);
	for (const [name, value] of Object.entries(changes)) query.set(name, value);
	void goto(`?${query}`, { reset: false, replaceState: replace });
}
