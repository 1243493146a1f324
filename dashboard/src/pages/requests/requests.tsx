export function RequestsPage() { return <p>soon</p>; }
