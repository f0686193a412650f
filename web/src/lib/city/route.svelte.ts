/** What the page of the city shows: `/city?home=7&from=…&to=…&state=odd` in the address, so that it can be sent, reloaded and gone back from. */
import { goto } from '$app/navigation';
import { page } from '$app/state';
import type { Span } from '../dashboard/span.ts';
import { hoursFor, spanOf } from './span.ts';
import { parseState } from './states.ts';

type Changes = Readonly<Partial<Record<'home' | 'from' | 'to' | 'state', string | null>>>;

class Route {
	/** The open home's id, or null. What is no whole number up to 32 bits opens nothing. */
	home = $derived(parseHome(page.url.searchParams.get('home')));
	/** Which of its hours are shown. */
	span = $derived<Span>(spanOf(page.url.searchParams.get('from'), page.url.searchParams.get('to'), Date.now()));
	/** How many hours back it is asked for. */
	hours = $derived(hoursFor(this.span, Date.now()));
	/** The state whose homes alone are shown, or null. */
	state = $derived(parseState(page.url.searchParams.get('state')));

	/** This page with some of its address changed; null takes a part away. */
	href(changes: Changes): string {
		const query = new URLSearchParams(page.url.search);
		for (const [name, value] of Object.entries(changes)) {
			if (value === null) query.delete(name);
			else query.set(name, value);
		}
		const search = query.toString();
		return `/city${search ? `?${search}` : ''}`;
	}

	say(changes: Changes): void {
		void goto(this.href(changes), { reset: false });
	}

	open(home: number): void {
		this.say({ home: String(home) });
	}

	close(): void {
		this.say({ home: null, from: null, to: null });
	}

	show({ start, end }: Span): void {
		this.say({ from: start, to: end });
	}
}

function parseHome(text: string | null): number | null {
	if (text === null || !/^\d{1,10}$/.test(text)) return null;
	const home = Number(text);
	return home <= 0xffff_ffff ? home : null;
}

export const route = new Route();
