export function GroupPage() { return <p>soon</p>; }
