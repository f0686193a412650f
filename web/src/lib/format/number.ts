/** Numbers as the page writes them: 1,284 · 41.2 M · 6 %. Units follow a no-break space. */

const NBSP = '\u00a0';
const cache = new Map<number, Intl.NumberFormat>();

function formatter(digits: number): Intl.NumberFormat {
	let found = cache.get(digits);
	if (!found) {
		found = new Intl.NumberFormat('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits });
		cache.set(digits, found);
	}
	return found;
}

/** What stands where no number is known. */
export const NONE = '–';

export function decimal(value: number | null | undefined, digits = 0, unit = ''): string {
	if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
	const shown = formatter(digits).format(value).replace('-', '−');
	return unit ? `${shown}${NBSP}${unit}` : shown;
}

const STEPS: readonly (readonly [number, string])[] = [
	[1e9, 'G'],
	[1e6, 'M'],
	[1e4, 'k']
];

/** Large counts in three or four figures: 9,876 · 41.2 k · 3.20 M. */
export function compact(value: number | null | undefined): string {
	if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
	for (const [size, letter] of STEPS) {
		if (Math.abs(value) < size) continue;
		const scaled = value / (letter === 'k' ? 1e3 : size);
		return decimal(scaled, scaled < 10 ? 2 : scaled < 100 ? 1 : 0, letter);
	}
	return decimal(value);
}

const SIZES: readonly (readonly [number, string])[] = [
	[1e9, 'GB'],
	[1e6, 'MB'],
	[1e3, 'KB']
];

/** A size on the disk in three figures: 412 MB · 1.90 GB. */
export function bytes(value: number | null | undefined): string {
	if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
	const [size, unit] = SIZES.find(([one]) => value >= one) ?? [1, 'bytes'];
	const scaled = value / size;
	return decimal(scaled, size === 1 || scaled >= 100 ? 0 : scaled < 10 ? 2 : 1, unit);
}

/** A share of one as a percentage without decimals. */
export function percent(share: number | null): string {
	return share === null ? NONE : decimal(share * 100, 0, '%');
}

/** «1 home», «1,000 homes». */
export function count(value: number, one: string, many = `${one}s`): string {
	return `${decimal(value)} ${value === 1 ? one : many}`;
}
