/** Where one can go. A place is added here, with one line, when its folder under `routes/` exists. */

export type Group = 'look' | 'data' | 'serve';

export interface Place {
	path: string;
	name: string;
	/** A shorter name for the bottom bar. */
	short?: string;
	group: Group;
	/** Goes there after `g`. */
	key: string;
	/** Its turn for one of the four places of a phone's bottom bar; the others are under «More». */
	bar?: number;
	/** Only where the project has a city. */
	city?: boolean;
}

export const PLACES: readonly Place[] = [
	{ path: '/', name: 'Flow', group: 'look', key: 'f', bar: 1 },
	{ path: '/city', name: 'City', group: 'look', key: 'c', bar: 2, city: true },
	{ path: '/sql', name: 'SQL', group: 'look', key: 's', bar: 5 },
	{ path: '/dashboards', name: 'Dashboards', short: 'Boards', group: 'look', key: 'b', bar: 7 },
	{ path: '/sources', name: 'Sources', group: 'data', key: 'o', bar: 6 },
	{ path: '/dead-letters', name: 'Dead letters', short: 'Letters', group: 'data', key: 'd', bar: 4 },
	{ path: '/quality', name: 'Quality', group: 'data', key: 'q' },
	{ path: '/endpoints', name: 'Endpoints', group: 'serve', key: 'e', bar: 8 },
	{ path: '/alerts', name: 'Alerts', group: 'serve', key: 'a', bar: 3 }
];

/** Headings of the groups; the first has none. */
export const GROUPS: readonly (readonly [Group, string])[] = [
	['look', ''],
	['data', 'Data'],
	['serve', 'Serve']
];

/** Documents of the platform itself: plain links, outside the page's router. */
export const DOCUMENTS: readonly { name: string; href: string }[] = [
	{ name: 'API', href: '/openapi.json' },
	{ name: 'Status', href: '/v1/status' },
	{ name: 'Metrics', href: '/metrics' }
];

/** How many places the bottom bar has beside «More». */
const BAR = 4;

/** The places that this project has. */
export function placesFor(city: boolean): readonly Place[] {
	return PLACES.filter((place) => city || !place.city);
}

/** The few for a phone's bottom bar, in the order of the navigation. */
export function barOf(places: readonly Place[]): readonly Place[] {
	const chosen = places.filter((place) => place.bar !== undefined).sort((a, b) => (a.bar ?? 0) - (b.bar ?? 0));
	return places.filter((place) => chosen.slice(0, BAR).includes(place));
}

/** The place of an address or of what lies under it, also where the project does not have it; undefined where there is none. */
export function placeAt(path: string): Place | undefined {
	const plain = path.replace(/\/+$/, '') || '/';
	return PLACES.find((place) => place.path === plain || (place.path !== '/' && plain.startsWith(`${place.path}/`)));
}
