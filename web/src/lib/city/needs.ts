/** What needs a person in a city, beside what any project may need. */
import { first } from '../live/columns.ts';
import type { Tile } from '../live/types.ts';
import { decimal, percent } from '../format/number.ts';
import type { Need } from '../needs/needs.ts';
import { isSilent, type Home } from './homes.ts';
import { oddSentence, stateOf, type Known } from './states.ts';

/** A few late rows are how devices are; from this share on something is wrong with them. */
const MANY_LATE = 0.05;

function fromHomes(homes: readonly Home[], now: number): Need[] {
	const silent = homes.filter((home) => isSilent(home, now));
	const latest = silent.reduce<Home | null>((best, home) => (best && best.ts >= home.ts ? best : home), null);
	if (!latest) return [];
	const alone = silent.length === 1;
	return [{
		id: 'silent',
		text: alone ? `Home ${latest.id} is silent` : `${decimal(silent.length)} homes are silent`,
		href: alone ? `/city?home=${latest.id}` : '/city?state=silent#homes',
		tone: 'warn',
		at: latest.ts
	}];
}

function fromOdd(homes: readonly Home[], known: Known, now: number): Need[] {
	const odd = homes.flatMap(({ id, ...rest }) => {
		const why = known.odd.get(id);
		return why && stateOf({ id, ...rest }, known, now) === 'odd' ? [{ id, why }] : [];
	});
	const [first] = odd;
	if (!first) return [];
	const alone = odd.length === 1;
	return [{
		id: 'odd',
		text: alone ? `Home ${first.id} is odd: ${oddSentence(first.why)}` : `${decimal(odd.length)} homes are odd beside their neighbours`,
		href: alone ? `/city?home=${first.id}` : '/city?state=odd#homes',
		tone: 'warn',
		at: odd.reduce<number | null>((newest, { why }) => (why.since !== null && why.since > (newest ?? 0) ? why.since : newest), null)
	}];
}

function fromHeartbeat(heartbeat: Tile | undefined): Need[] {
	const share = (first(heartbeat?.columns, 'late_1m') ?? 0) / (first(heartbeat?.columns, 'rows_1m') || 1);
	if (share < MANY_LATE) return [];
	return [{ id: 'late', text: `${percent(share)} of the last minute's rows came over a minute late`, href: '/city', tone: 'warn', at: null }];
}

/** `now` is the server's clock, epoch ms. */
export function cityNeeds(heartbeat: Tile | undefined, homes: readonly Home[], known: Known, now: number): Need[] {
	return [...fromHomes(homes, now), ...fromOdd(homes, known, now), ...fromHeartbeat(heartbeat)];
}
