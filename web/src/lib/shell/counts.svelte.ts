/** What stands beside the names of places, where it says something. */
import { city } from '../city/view.svelte.ts';
import { compact } from '../format/number.ts';
import type { Tone } from '../live/health.ts';
import { live } from '../live/store.svelte.ts';
import { project } from '../project/project.svelte.ts';

export interface Count {
	text: string;
	tone: Tone;
}

class Counts {
	/** By the path of the place. */
	of = $derived<Readonly<Record<string, Count | undefined>>>({
		'/city': some(city.figure('homes')),
		'/sources': some(live.status?.sources.length),
		'/dead-letters': some(live.deadLetters?.total),
		'/quality': live.needed?.failed ? { text: `${compact(live.needed.failed)} fail`, tone: 'warn' } : undefined,
		'/endpoints': some(project.endpoints.length),
		'/alerts': live.needed?.firing ? { text: `${compact(live.needed.firing)} firing`, tone: 'bad' } : undefined
	});
}

function some(value: number | null | undefined): Count | undefined {
	return value ? { text: compact(value), tone: 'none' } : undefined;
}

export const counts = new Counts();
