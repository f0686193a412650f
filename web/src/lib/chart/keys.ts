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
