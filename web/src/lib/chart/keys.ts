/** The span that + and − lead to: half as long around a point, twice as long around the middle; else null. */
export function zoomAfter(key: string, [start, end]: readonly [number, number], at: number): readonly [number, number] | null {
	const length = end - start;
	if (key === '+' || key === '=') return [Math.max(start, at - length / 4), Math.min(end, at + length / 4)];
	if (key === '-' || key === '−') return [start - length / 2, end + length / 2];
	return null;
}

/** Which point an arrow key leads to; null when the key means nothing to a chart. */
export function cursorAfter(key: string, index: number | null, length: number): number | null {
	if (length === 0) return null;
	const last = length - 1;
	const page = Math.max(1, Math.round(length / 10));
	const here = index ?? last;
	const moves: Record<string, number> = {
		ArrowLeft: index === null ? last : here - 1,
		ArrowRight: index === null ? last : here + 1,
		PageUp: here - page,
		PageDown: here + page,
		Home: 0,
		End: last
	};
	const target = moves[key];
	return target === undefined ? null : Math.min(last, Math.max(0, target));
}
