/** The keys that work on every page: `g` and a letter go somewhere, `?` tells them all. */
import type { Place } from './places.ts';

/** After `g`, a letter counts for this long. */
export const CHORD_MS = 1_500;

/** The few fields of a keyboard event that are looked at. */
export interface Pressed {
	key: string;
	ctrlKey: boolean;
	metaKey: boolean;
	altKey: boolean;
}

export type Outcome = { kind: 'nothing' } | { kind: 'begin' } | { kind: 'help' } | { kind: 'go'; path: string };

/** Where letters are text: fields, editors, and what stands for one. */
const TYPING = 'input, textarea, select, [contenteditable=""], [contenteditable="true"], [role="textbox"], [role="combobox"], [role="searchbox"]';

export function isTyping(target: EventTarget | null): boolean {
	return target instanceof Element && target.closest(TYPING) !== null;
}

/** What a key means; `begun` while a `g` waits for its letter. */
export function meaning(pressed: Pressed, begun: boolean, places: readonly Place[]): Outcome {
	if (pressed.ctrlKey || pressed.metaKey || pressed.altKey) return { kind: 'nothing' };
	if (begun) {
		const place = places.find(({ key }) => key === pressed.key);
		if (place) return { kind: 'go', path: place.path };
	}
	if (pressed.key === 'g') return { kind: 'begin' };
	return pressed.key === '?' ? { kind: 'help' } : { kind: 'nothing' };
}
